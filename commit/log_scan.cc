#include "commit/log_scan.h"

#include <algorithm>
#include <cstring>
#include <sstream>
#include <utility>

#include "commit/fragment.h"
#include "utils/base/planted.h"

namespace dspm::commit {
namespace {

template <class... Parts>
Error corrupt(const Parts&... parts) {
  std::ostringstream text;
  ((text << parts), ...);
  return {Status::corrupt, text.str()};
}

// The ring read by position, in large pieces.
class RingReader {
 public:
  RingReader(Pmem& pmem, std::uint64_t ring) : pmem_(pmem), ring_(ring) {}

  Outcome read(std::uint64_t position, std::span<std::byte> out) {
    while (!out.empty()) {
      if (position < start_ || position >= start_ + buffer_.size()) {
        if (auto filled = fill(position); !filled) return filled;
      }
      const std::uint64_t at = position - start_;
      const std::size_t n = std::min<std::uint64_t>(out.size(), buffer_.size() - at);
      std::memcpy(out.data(), buffer_.data() + at, n);
      out = out.subspan(n);
      position += n;
    }
    return Done{};
  }

 private:
  Outcome fill(std::uint64_t position) {
    constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
    const std::uint64_t place = position % ring_;
    buffer_.resize(std::min(kPiece, ring_ - place));
    start_ = position;
    return pmem_.read(PmemRegion::log, format::kRing + place, buffer_);
  }

  Pmem& pmem_;
  const std::uint64_t ring_;
  std::uint64_t start_ = 0;
  Bytes buffer_;
};

class Scanner {
 public:
  Scanner(Pmem& pmem, const Log::Shape& shape, std::uint64_t head)
      : reader_(pmem, shape.ring), shape_(shape), head_(head), limit_(head + shape.ring) {}

  Result<LogScan> run() {
    scan_.end.position = head_;
    for (;;) {
      auto found = at(scan_.end.position);
      if (!found) return found.error();
      if (!*found || !follows(**found)) break;
      take(std::move(**found));
    }
    if (scan_.fragments.empty())
      return corrupt("the log is damaged: no record at position ", head_,
                     ", where its anchor says that it begins");
    if (planted(Planted::last_fragment_skipped) && scan_.fragments.size() > 1) drop_last();
    scan_.durable = std::min(scan_.durable, scan_.end.position);
    if (auto end = judge_end(); !end) return end.error();
    return std::move(scan_);
  }

 private:
  // A fragment that is valid by itself and for this place.
  Result<std::optional<FoundFragment>> at(std::uint64_t position) {
    std::optional<FoundFragment> none;
    FoundFragment found;
    if (position + sizeof found.header > limit_) return none;
    auto* raw = reinterpret_cast<std::byte*>(&found.header);
    if (auto r = reader_.read(position, {raw, sizeof found.header}); !r) return r.error();
    if (!plausible(found.header, position, shape_.pool_tag, limit_ - position, shape_.fragment))
      return none;
    found.payload.resize(found.header.length);
    if (auto r = reader_.read(position + sizeof found.header, found.payload); !r) return r.error();
    if (!sound(found.header, found.payload)) return none;
    return std::optional(std::move(found));
  }
  bool follows(const FoundFragment& found) const {
    return scan_.fragments.empty() || found.header.previous_crc == scan_.end.previous_crc ||
           planted(Planted::position_not_checked);
  }
  void take(FoundFragment found) {
    scan_.end.previous_crc = found.header.crc;
    scan_.end.position += fragment_length(found.header.length);
    scan_.durable = std::max(scan_.durable, found.header.durable);
    scan_.fragments.push_back(std::move(found));
  }
  void drop_last() {
    scan_.fragments.pop_back();
    const format::Fragment& last = scan_.fragments.back().header;
    scan_.end = {last.position + fragment_length(last.length), last.crc};
  }

  // [N9] Torn, or rot?
  Outcome judge_end() {
    const std::uint64_t end = scan_.end.position;
    format::Fragment header{};
    auto* raw = reinterpret_cast<std::byte*>(&header);
    for (std::uint64_t q = end; q + sizeof header <= limit_; q += format::kAlign) {
      if (auto r = reader_.read(q, {raw, sizeof header}); !r) return r;
      if (header.magic != format::kFragmentMagic || header.position != q) continue;
      scan_.torn = true;
      if (header.durable <= end || planted(Planted::rot_taken_for_torn)) continue;
      auto found = at(q);
      if (!found) return found.error();
      if (*found)
        return corrupt("the log is damaged: the record at position ", end,
                       " is unreadable, but was durable when the one at ", q, " was written");
    }
    return Done{};
  }

  RingReader reader_;
  const Log::Shape shape_;
  const std::uint64_t head_, limit_;
  LogScan scan_;
};

using Pieces = std::vector<const FoundFragment*>;  // by index; null: not found

bool complete(const Pieces& pieces) {
  return planted(Planted::fragments_missing) ||
         std::find(pieces.begin(), pieces.end(), nullptr) == pieces.end();
}

Bytes joined(const Pieces& pieces) {
  Bytes bytes;
  for (const FoundFragment* piece : pieces)
    if (piece != nullptr) bytes.insert(bytes.end(), piece->payload.begin(), piece->payload.end());
  return bytes;
}

void add(std::map<std::uint64_t, Pieces>& to, std::uint64_t key, const FoundFragment& fragment) {
  Pieces& pieces = to[key];
  pieces.resize(std::max<std::size_t>(pieces.size(), fragment.header.count));
  pieces[fragment.header.index] = &fragment;
}

using BySequence = std::map<std::uint64_t, std::map<std::uint64_t, Pieces>>;  // then by LSN

Outcome choose(GroupId group, const BySequence& found, Lsn applied, GroupRecords& out) {
  Lsn last = applied;
  for (auto at = found.upper_bound(applied.sequence()); at != found.end(); ++at) {
    if (at->first != last.sequence() + 1) break;
    const auto best = std::find_if(at->second.rbegin(), at->second.rend(),
                                   [](const auto& one) { return complete(one.second); });
    if (best == at->second.rend() || Lsn(best->first).epoch() < last.epoch()) break;
    auto record = decode_record(joined(best->second));
    if (!record || record->lsn.value != best->first)
      return corrupt("the log is damaged: record ", Lsn(best->first), " of group ", group,
                     " is no record");
    if (record->previous != last) break;
    last = record->lsn;
    out.records.push_back(std::make_shared<const Record>(std::move(*record)));
  }
  if (out.decided > last)
    return corrupt("the log is damaged: record ", out.decided, " of group ", group,
                   " was applied and is lost; the last one found is ", last);
  return Done{};
}

}  // namespace

Result<LogScan> scan_log(Pmem& pmem, const Log::Shape& shape, std::uint64_t head) {
  return Scanner(pmem, shape, head).run();
}

// One that a crash has cut short may be there beside another of the same number, so only fragments
// that follow each other belong together.
Result<Checkpoint> newest_checkpoint(const LogScan& scan) {
  std::map<std::uint64_t, Bytes> complete;  // by number
  Bytes bytes;
  std::uint16_t expected = 0;
  for (const FoundFragment& fragment : scan.fragments) {
    const format::Fragment& h = fragment.header;
    if (h.kind != std::uint8_t(format::FragmentKind::checkpoint) || h.index == 0) {
      bytes.clear();
      expected = 0;
    }
    if (h.kind != std::uint8_t(format::FragmentKind::checkpoint) || h.index != expected) continue;
    bytes.insert(bytes.end(), fragment.payload.begin(), fragment.payload.end());
    if (++expected == h.count) complete[h.lsn] = std::exchange(bytes, {});
  }
  if (complete.empty()) return corrupt("the log is damaged: it has no checkpoint");
  const auto& [number, newest] = *complete.rbegin();
  auto checkpoint = decode_checkpoint(newest);
  if (!checkpoint || checkpoint->number != number)
    return corrupt("the log is damaged: checkpoint ", number, " is no checkpoint");
  return checkpoint;
}

Result<std::map<GroupId, GroupRecords>> assemble(const LogScan& scan,
                                                 const Checkpoint& checkpoint) {
  std::map<GroupId, BySequence> found;
  std::map<GroupId, GroupRecords> out;
  for (const FoundFragment& fragment : scan.fragments) {
    if (fragment.header.kind != std::uint8_t(format::FragmentKind::record)) continue;
    const Lsn lsn(fragment.header.lsn);
    const GroupId group(fragment.header.group);
    add(found[group][lsn.sequence()], lsn.value, fragment);
    out[group].decided = std::max(out[group].decided, Lsn(fragment.header.decided));
  }
  for (const auto& [group, records] : found) {
    Lsn applied;
    for (const GroupState& state : checkpoint.groups)
      if (state.group == group) applied = state.applied;
    if (auto chosen = choose(group, records, applied, out[group]); !chosen) return chosen.error();
  }
  return out;
}

}  // namespace dspm::commit
