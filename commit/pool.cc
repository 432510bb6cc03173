#include "commit/pool.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "commit/pool_state.h"
#include "utils/base/check.h"
#include "utils/base/limits.h"

namespace dspm::commit {
namespace {

// Bytes of frames that wait for a file's flusher: what a disk writes in a moment.
constexpr std::uint64_t kMostBacklog = std::uint64_t{64} << 20;

// Pages that folding it may need a fresh frame for: all may be pinned, and a cut goes through one.
std::uint64_t pages_touched(const Record& record) {
  if (record.kind != RecordKind::write) return 0;
  std::uint64_t pages = record.cut ? 2 : 1;
  std::optional<PageNo> last;
  for (const Extent& extent : record.extents) {
    const PageNo first = page_of(extent.offset), end = page_of(extent.end() - 1);
    pages += end.value - first.value + (last == first ? 0 : 1);
    last = end;
  }
  return pages;
}

}  // namespace

std::string to_string(PoolId id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id.value));
  return text;
}

std::uint64_t log_bytes(const Record& record) {
  // kind, LSNs, id, attempt, done_below, ino, count of extents, cut, header, times
  constexpr std::uint64_t kFixed = 1 + 16 + 20 + 4 + 8 + 8 + 4 + 9 + 28 + 43;
  std::uint64_t bytes = kFixed + record.header.cuts.size() * 16;
  for (const Extent& extent : record.extents) bytes += extent.bytes.size() + kExtentOverhead;
  // A Mark may follow it.
  return physical_length(bytes, format::kFragmentPayload) + sizeof(format::Fragment);
}

LogShares shares_of(std::uint64_t ring) {
  LogShares shares;
  shares.checkpoint = std::clamp<std::uint64_t>(ring / 16, 2048, std::uint64_t{8} << 20);
  shares.usable = (ring - shares.checkpoint) / 2;
  return shares;
}

Pool::Pool(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pool::~Pool() = default;

// ---- the log

void Pool::State::GroupLog::fold(Lsn upto) {
  for (; folded < live.size() && live[folded].record->lsn <= upto; ++folded)
    folded_bytes += live[folded].bytes;
}

void Pool::State::GroupLog::drop_front() {
  used -= live.front().bytes;
  if (folded > 0) {
    --folded;
    folded_bytes -= live.front().bytes;
  }
  live.pop_front();
}

bool Pool::State::fits(std::uint64_t bytes) const {
  const std::uint64_t reserve = used + shares_of(log.shape().ring).checkpoint;
  return log.tail() + bytes + reserve <= head + log.shape().ring;
}

void Pool::State::put(GroupId group, Live& live) {
  live.position = log.tail();
  log.put({format::FragmentKind::record, group, live.record->lsn, live.decided},
          encode(*live.record), head);
}

void Pool::State::add(GroupId group, Live live) {
  frames.promise(group, live.record->lsn, pages_touched(*live.record));
  live.bytes = log_bytes(*live.record);
  GroupLog& g = groups[group];
  g.used += live.bytes;
  used += live.bytes;
  g.live.push_back(std::move(live));
}

void Pool::append(GroupId group, RecordRef record, Lsn decided) {
  State& s = *state_;
  const Lsn lsn = record->lsn;
  cut(group, lsn.sequence());
  s.groups[group].fold(decided);
  s.add(group, {std::move(record), decided});
  s.held.emplace_back(group, lsn);
  s.put_held();
}

// Who keeps to the shares is never held up here.
void Pool::State::put_held() {
  while (!held.empty()) {
    const auto [group, lsn] = held.front();
    GroupLog& g = groups[group];
    const auto live = std::find_if(g.live.rbegin(), g.live.rend(),
                                   [&](const Live& l) { return l.record->lsn == lsn; });
    if (!fits(live->bytes)) {
      space_wanted = true;
      return;
    }
    put(group, *live);
    owed.push_back({log.tail(), group, lsn});
    held.pop_front();
  }
}

void Pool::cut(GroupId group, std::uint64_t sequence) {
  State& s = *state_;
  State::GroupLog& g = s.groups[group];
  if (g.live.empty() || g.live.back().record->lsn.sequence() < sequence) return;
  while (g.live.size() > g.folded && g.live.back().record->lsn.sequence() >= sequence) {
    g.used -= g.live.back().bytes;
    s.used -= g.live.back().bytes;
    g.live.pop_back();
  }
  const auto gone = [&](GroupId of, Lsn lsn) { return of == group && lsn.sequence() >= sequence; };
  s.frames.release_from(group, sequence);
  std::erase_if(s.owed, [&](const State::Put& put) { return gone(put.group, put.lsn); });
  std::erase_if(s.held, [&](const auto& held) { return gone(held.first, held.second); });
  std::erase_if(s.durable, [&](const Reached& r) { return gone(r.group, r.lsn); });
}

void Pool::State::reached(std::vector<Reached>& list, GroupId group, Lsn lsn) {
  for (Reached& one : list) {
    if (one.group != group) continue;
    one.lsn = std::max(one.lsn, lsn);
    return;
  }
  list.push_back({group, lsn});
}

void Pool::State::deliver_durable() {
  while (!owed.empty() && owed.front().end <= log.durable()) {
    reached(durable, owed.front().group, owed.front().lsn);
    owed.pop_front();
  }
}

void Pool::flush(Time now) {
  State& s = *state_;
  if (!health()) return;
  s.log.poll();
  do {
    s.put_held();
    s.log.fence();
    s.log.poll();
    s.deliver_durable();
  } while (s.step());
  s.frames.collect();
  if (s.log.tail() != s.last_tail || !s.last_put) {
    s.last_tail = s.log.tail();
    s.last_put = now;
    s.marked = false;
  } else if (!s.marked && s.log.durable() == s.log.tail() &&
             now >= *s.last_put + s.options.mark_after) {
    s.log.put({}, {}, s.head);  // [P7]
    s.log.fence();
    s.log.poll();
    s.last_tail = s.log.tail();
    s.marked = true;
  }
}

Time Pool::next_deadline() const {
  const State& s = *state_;
  if (s.marked || !s.last_put || s.log.durable() != s.log.tail()) return kNever;
  return *s.last_put + s.options.mark_after;
}

std::vector<Pool::Reached> Pool::take_durable() { return std::exchange(state_->durable, {}); }
std::vector<Pool::Reached> Pool::take_trimmed() { return std::exchange(state_->trimmed, {}); }

// ---- space

std::uint64_t Pool::log_share() const {
  const std::uint64_t ring = state_->log.shape().ring;
  const LogShares shares = shares_of(ring);
  const std::uint64_t each = (shares.usable - shares.checkpoint) / state_->options.groups;
  // Small fragments take more than log_bytes() counts.
  const std::uint64_t fragment = state_->log.shape().fragment;
  constexpr std::uint64_t kPerFragment = sizeof(format::Fragment) + format::kAlign - 1;
  return fragment == format::kFragmentPayload ? each : each * fragment / (fragment + kPerFragment);
}

std::uint64_t Pool::frame_share() const { return state_->frames.total() / state_->options.groups; }
// What pinned pages that are folded need beside the pages.
std::uint64_t Pool::page_share() const { return frame_share() - frame_share() / 8; }

std::uint64_t Pool::log_used(GroupId group) const {
  const auto it = state_->groups.find(group);
  return it == state_->groups.end() ? 0 : it->second.used;
}
std::uint64_t Pool::frames_used(GroupId group) const { return state_->frames.used(group); }

Status Pool::room(GroupId group, const Need& need) {
  FrameTable& frames = state_->frames;
  if (need.log_bytes > log_share()) return Status::no_space;
  if (frames.live(group) + need.fresh > page_share()) return Status::no_space;
  if (frames.live(group) + need.pages > frame_share()) return Status::no_space;
  if (log_used(group) + need.log_bytes <= log_share() &&
      frames.used(group) + need.pages <= frame_share() && state_->pmem.backlog() <= kMostBacklog) {
    return frames.secure(need.pages).status();
  }
  state_->space_wanted = true;
  return Status::busy;
}

void Pool::want_space() { state_->space_wanted = true; }

PoolId Pool::id() const { return state_->id; }
std::uint64_t Pool::frames_total() const { return state_->frames.total(); }
std::uint64_t Pool::log_size() const { return state_->log.shape().ring; }
FrameTable& Pool::frames() { return state_->frames; }

const Outcome& Pool::health() const {
  return state_->pmem.health() ? state_->frames.health() : state_->pmem.health();
}

void Pool::check_invariants() const {
  const State& s = *state_;
  s.frames.check_invariants();
  DSPM_CHECK(s.head <= s.log.durable() && s.log.durable() <= s.log.tail(), s.head, s.log.durable(),
             s.log.tail());
  DSPM_CHECK(s.log.tail() - s.head <= s.log.shape().ring, s.log.tail(), s.head);
  for (const auto& [id, group] : s.groups) {
    std::uint64_t used = 0, sequence = 0;
    for (const State::Live& live : group.live) {
      DSPM_CHECK(live.record->lsn.sequence() > sequence, id, live.record->lsn);
      sequence = live.record->lsn.sequence();
      used += live.bytes;
    }
    DSPM_CHECK(used == group.used, id, used, group.used);
  }
}

}  // namespace dspm::commit
