#include "tests/sim/pool_rig.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "commit/format.h"
#include "utils/base/check.h"

namespace dspm::sim {
namespace {

using commit::Frames;
using commit::Outcomes;
using commit::Record;
using commit::RecordKind;
using commit::RecordRef;

template <class... Parts>
void require(bool good, const Parts&... parts) {
  if (good) return;
  std::ostringstream text;
  ((text << parts), ...);
  throw Violation(text.str());
}

std::uint64_t blocks(std::uint64_t bytes) {
  return (bytes + commit::format::kBlock - 1) / commit::format::kBlock * commit::format::kBlock;
}

}  // namespace

struct PoolRig::Group {
  GroupId id;
  Epoch epoch;
  Frames model;       // on the heap, as of `applied`
  Outcomes outcomes;  // as of `applied`
  Lsn applied, durable, last, trimmed;
  std::deque<RecordRef> records;  // behind `trimmed`, to `last`
  std::map<Ino, commit::Ordered> ordered;
  std::map<Lsn, Lsn> decided;                  // what each record was appended with
  std::map<Lsn, Bytes> ever;                   // all that a restart may find
  std::map<Lsn, Outcomes::Table> checkpoints;  // begun: as of their applied LSN
  std::unique_ptr<Frames> frames;
  std::uint64_t sequence = 0;  // of commits
  RecordRef folding;           // a crash in between leaves it folded or not
  commit::RecoveredGroup found;

  Lsn found_last() const {
    return found.records.empty() ? found.applied : found.records.back()->lsn;
  }
};

PoolRig::PoolRig(const PoolRigOptions& options)
    : options_(options),
      scheduler_(options.seed),
      media_(options.kind, commit::format::frame_offset(options.frames, options.frames),
             blocks(commit::format::kRing + options.ring)),
      identity_{"cluster", NodeId(1), commit::PoolId(options.seed * 2 + 1)} {
  for (std::uint32_t g = 1; g <= options.groups; ++g) {
    groups_.push_back(std::make_unique<Group>());
    groups_.back()->id = GroupId(g);
  }
}

PoolRig::~PoolRig() = default;

void PoolRig::arm(std::uint64_t n) {
  armed_ = n;
  steps_ = 0;
}

std::uint64_t PoolRig::laps() const { return appended_ / options_.ring; }

void PoolRig::start_pmem() {
  SimPmemOptions options;
  options.seed = scheduler_.random();
  options.schedule = [this](Duration d, std::function<void()> f) {
    scheduler_.after(d, std::move(f));
  };
  options.before = [this](std::uint64_t, const char*) {
    if (++steps_ == armed_) throw Crash{};
  };
  auto opened = open_sim_pmem(media_, std::move(options));
  DSPM_CHECK(opened);
  pmem_ = *std::move(opened);
}

void PoolRig::create() {
  if (!pmem_) start_pmem();
  // Space is given as it is needed.
  media_.make_sparse(0, media_.region(PmemRegion::pool).size());
  const auto made = commit::Pool::create(*pmem_, identity_, options_.fragment);
  require(bool(made), "not created: ", made ? "" : made.error().what);
  created_ = true;
}

void PoolRig::crash(bool power, Keep keep, std::uint64_t seed) {
  pins_.clear();
  for (auto& group : groups_) {
    if (group->folding) fold_in_model(*group, *group->folding);  // decided, and perhaps on media
    group->frames.reset();
  }
  pool_.reset();
  pmem_.reset();
  while (scheduler_.step()) {
  }
  if (power) media_.lose_power(keep, seed);
}

// ---- coming back

Result<commit::Pool::Opened> PoolRig::open_pool() {
  start_pmem();
  return commit::Pool::open(*pmem_, identity_, {options_.groups, std::chrono::milliseconds(1)});
}

void PoolRig::recognise(commit::Pool::Opened& opened) {
  pool_ = std::move(opened.pool);
  for (auto& group : groups_) {
    group->found = {};
    for (const auto& one : opened.groups)
      if (one.group == group->id) group->found = one;
    check(*group);
    replay(*group);
    compare(*group);
  }
  pool_->check_invariants();
}

bool PoolRig::open() {
  auto opened = open_pool();
  if (!opened && opened.status() == Status::no_entry && !created_) return false;
  require(bool(opened), "does not open: ", opened ? "" : opened.error().what);
  created_ = true;
  recognise(*opened);
  for (auto& group : groups_) {
    group->records.assign(group->found.records.begin(), group->found.records.end());
    group->trimmed = group->found.applied;
    group->last = group->durable = group->found_last();
    begin_epoch(*group);
  }
  return true;
}

std::string PoolRig::look() {
  std::string damage;
  {
    auto opened = open_pool();
    if (!opened) damage = opened.error().what;
    // With one replica that is all that can be done about them.
    if (opened && opened->report.units_unverified > 0) damage = "bytes that nothing vouches for";
    try {
      if (opened) recognise(*opened);
    } catch (const Violation&) {
      if (pool_->health() && damage.empty()) throw;
      damage = "damage";
    }
  }
  crash(false, Keep::nothing, 0);
  return damage;
}

// What recovery gives back is what was appended, and all that was durable.
void PoolRig::check(const Group& group) const {
  const commit::RecoveredGroup& found = group.found;
  const auto known = group.checkpoints.find(found.applied);
  require(known != group.checkpoints.end() || !found.applied, "group ", group.id,
          ": a checkpoint at ", found.applied, " was never begun");
  require(found.applied >= group.trimmed, "group ", group.id, ": back at ", found.applied,
          ", trimmed up to ", group.trimmed);
  if (known != group.checkpoints.end())
    require(found.outcomes == known->second, "group ", group.id, ": other outcomes");
  require(found.decided <= group.applied, "group ", group.id, ": ", found.decided,
          " was never decided");
  require(group.found_last().sequence() >= group.durable.sequence(), "group ", group.id,
          ": ends at ", group.found_last(), ", durable was ", group.durable);
  for (const RecordRef& record : found.records) {
    const auto was = group.ever.find(record->lsn);
    require(was != group.ever.end() && was->second == encode(*record), "group ", group.id,
            ": record ", record->lsn, " was never appended so");
    require(found.decided >= group.decided.at(record->lsn), "group ", group.id, ": ",
            group.decided.at(record->lsn), " was known to be decided, now only ", found.decided);
    if (record->lsn.sequence() > group.durable.sequence()) continue;
    const bool same = std::any_of(group.records.begin(), group.records.end(),
                                  [&](const RecordRef& r) { return r->lsn == record->lsn; });
    require(same, "group ", group.id, ": record ", record->lsn, " had been replaced");
  }
}

void PoolRig::replay(Group& group) {
  group.frames = std::make_unique<Frames>(*pool_, group.id);
  Lsn at = group.found.applied;
  for (const RecordRef& record : group.found.records) {
    if (record->lsn > group.applied) break;
    if (record->kind == RecordKind::write) group.frames->fold(*record);
    at = record->lsn;
  }
  require(at == group.applied, "group ", group.id, ": folded up to ", at, " instead of ",
          group.applied);
}

// As a take-over does: what is behind some record is cut, or nothing; a View follows.
void PoolRig::begin_epoch(Group& group) {
  if (scheduler_.percent(30)) {
    while (group.last > group.applied && scheduler_.percent(70)) {
      group.records.pop_back();
      group.last = group.records.empty() ? group.trimmed : group.records.back()->lsn;
    }
    pool_->cut(group.id, group.last.sequence() + 1);
    group.durable = std::min(group.durable, group.last);
  }
  group.ordered.clear();
  for (const RecordRef& record : group.records)
    if (record->kind == RecordKind::write)
      group.ordered[record->ino] = {record->header, record->times, 0};
  group.epoch = Epoch(std::max(group.epoch.value, group.last.epoch().value) + 1);
  Record view;
  view.kind = RecordKind::view;
  view.previous = group.last;
  view.lsn = Lsn(group.epoch, group.last.sequence() + 1);
  append(group, std::make_shared<Record>(view));
}

// ---- what it does

PoolRig::Group& PoolRig::random_group() { return *groups_[scheduler_.below(groups_.size())]; }

void PoolRig::append(Group& group, RecordRef record) {
  group.last = record->lsn;
  group.ever[record->lsn] = encode(*record);
  group.decided[record->lsn] = group.applied;
  group.records.push_back(record);
  appended_ += commit::log_bytes(*record);
  pool_->append(group.id, std::move(record), group.applied);
}

Change PoolRig::random_change(Group& group, Ino ino, const commit::Ordered& now) {
  Change change;
  change.ino = ino;
  change.generation = now.header.generation;
  const std::uint64_t end = options_.pages * kPageSize;
  std::uint64_t at = scheduler_.below(end);
  for (unsigned n = 1 + scheduler_.below(3); n > 0 && at < end; --n) {
    std::uint64_t length = 1 + scheduler_.below(scheduler_.percent(80) ? 300 : 1500);
    if (scheduler_.percent(5)) {
      at = (at + kPageSize - 1) / kPageSize * kPageSize;
      length = kPageSize;
    }
    if (at >= end) break;
    length = std::min(length, end - at);
    Bytes bytes(length, std::byte('a' + scheduler_.below(26)));
    bytes[0] = std::byte(group.sequence);
    change.extents.push_back({at, std::move(bytes)});
    at += length + scheduler_.below(2000);
  }
  change.touch = WallTime{std::int64_t(scheduler_.below(1000))};
  if (scheduler_.percent(60) && !change.extents.empty())
    change.grow_to = change.extents.back().end();
  if (scheduler_.percent(15)) {
    change.set_size = scheduler_.below(end);
  }
  return change;
}

void PoolRig::commit(Group& group) {
  const Ino ino(group.id.value * 100 + scheduler_.below(options_.objects));
  const auto known = group.ordered.find(ino);
  commit::Ordered now = known != group.ordered.end()
                            ? known->second
                            : commit::Ordered{group.model.header(ino), group.model.times(ino), 0};
  Change change = random_change(group, ino, now);
  const commit::FrameNeed frames = group.frames->need(ino, change.extents);
  auto record = std::make_shared<Record>(
      order(std::move(change), Lsn(group.epoch, group.last.sequence() + 1), Generation(), now));
  record->previous = group.last;
  const Status room =
      pool_->room(group.id, {commit::log_bytes(*record), frames.pages, frames.fresh});
  if (commit::log_bytes(*record) > pool_->log_share()) {
    require(room == Status::no_space, "too large, and yet: ", to_string(room));
    return;
  }
  require(room == Status::ok || room == Status::busy, "no room: ", to_string(room));
  if (room == Status::busy) return;
  record->id = {NodeId(7), Incarnation(1), ++group.sequence};
  record->attempt = 1;
  record->done_below = group.sequence > 4 ? group.sequence - scheduler_.below(4) : 0;
  group.ordered[ino] = now;
  append(group, std::move(record));
}

void PoolRig::fold(Group& group, Lsn upto) {
  for (const RecordRef& record : group.records) {
    if (record->lsn <= group.applied) continue;
    if (record->lsn > upto) break;
    if (record->kind == RecordKind::write) {
      group.folding = record;
      const auto here = group.frames->fold(*record);
      const auto there = fold_in_model(group, *record);
      require(here.pages.size() == there.pages.size(), "folded other pages");
      for (std::size_t i = 0; i < here.pages.size(); ++i)
        require(here.pages[i].page == there.pages[i].page &&
                    here.pages[i].replaced == there.pages[i].replaced,
                "group ", group.id, ": record ", record->lsn, " replaced another version");
    }
    group.applied = record->lsn;
  }
}

commit::Folded PoolRig::fold_in_model(Group& group, const Record& record) {
  group.applied = record.lsn;
  group.outcomes.apply(record);
  auto folded = group.model.fold(record);
  group.folding = nullptr;
  return folded;
}

void PoolRig::checkpoint() {
  if (pool_->checkpointing()) return;
  std::vector<commit::GroupState> states;
  for (auto& group : groups_) {
    states.push_back({group->id, group->applied, group->outcomes.table()});
    group->checkpoints[group->applied] = group->outcomes.table();
  }
  ++checkpoints_;
  pool_->begin_checkpoint(std::move(states));
}

void PoolRig::pins() {
  for (const Pin& pin : pins_)
    require(pin.page->data == pin.bytes.data, "a page that was held has changed");
  if (scheduler_.percent(20) && !pins_.empty()) {
    std::swap(pins_[scheduler_.below(pins_.size())], pins_.back());
    pins_.pop_back();
  }
  if (!scheduler_.percent(20) || pins_.size() > 5) return;
  Group& group = random_group();
  const Ino ino(group.id.value * 100 + scheduler_.below(options_.objects));
  const auto page = group.frames->page(ino, PageNo(scheduler_.below(options_.pages)));
  pins_.push_back({page.bytes, *page.bytes});
}

void PoolRig::let_time_pass() {
  if (scheduler_.percent(5)) scheduler_.after(std::chrono::milliseconds(3), [] {});
  for (std::uint64_t n = scheduler_.below(6); n > 0 && scheduler_.step(); --n) {
  }
}

void PoolRig::end_turn() {
  pmem_->poll();
  pool_->flush(scheduler_.now());
  require(bool(pool_->health()), "damage: ", pool_->health() ? "" : pool_->health().error().what);
  for (const auto& reached : pool_->take_durable()) {
    Group& group = *groups_[reached.group.value - 1];
    require(reached.lsn <= group.last, "durable beyond the end");
    group.durable = std::max(group.durable, reached.lsn);
  }
  for (const auto& reached : pool_->take_trimmed()) {
    Group& group = *groups_[reached.group.value - 1];
    group.trimmed = std::max(group.trimmed, reached.lsn);
    while (!group.records.empty() && group.records.front()->lsn <= group.trimmed)
      group.records.pop_front();
    std::erase_if(group.ever, [&](const auto& e) {
      return e.first.sequence() + 64 < group.trimmed.sequence();
    });
  }
}

void PoolRig::turn() {
  for (std::uint64_t n = scheduler_.below(4); n > 0; --n) commit(random_group());
  end_turn();
  for (auto& group : groups_) {
    if (scheduler_.percent(60)) fold(*group, group->durable);
    if (scheduler_.percent(20) && group->applied < group->durable)
      fold(*group, Lsn(group->durable.value - 1));
  }
  pins();
  if (pool_->wants_checkpoint() || scheduler_.percent(2)) checkpoint();
  let_time_pass();
}

void PoolRig::work(unsigned turns) {
  for (; turns > 0; --turns) {
    turn();
    if (turns % 16 == 0) pool_->check_invariants();
    if (turns % 64 == 0) compare();
  }
}

void PoolRig::quiesce(bool with_checkpoint) {
  if (with_checkpoint) {
    quiesce(false);
    checkpoint();
  }
  unsigned rounds = 0;
  for (unsigned calm = 0; calm < 3;) {
    require(++rounds < 10000, "it does not come to rest");
    end_turn();
    bool settled = !pool_->checkpointing();
    for (auto& group : groups_) {
      fold(*group, group->durable);
      settled = settled && group->applied == group->last;
    }
    calm = settled && pool_->next_deadline() == kNever ? calm + 1 : 0;
    if (!scheduler_.step()) {
      scheduler_.after(std::chrono::milliseconds(3), [] {});
      scheduler_.step();
    }
  }
}

// ---- looking

void PoolRig::compare() {
  for (const auto& group : groups_) compare(*group);
}

void PoolRig::compare(const Group& group) const {
  for (std::uint64_t o = 0; o < options_.objects; ++o) {
    const Ino ino(group.id.value * 100 + o);
    const auto where = [&] {
      return "group " + std::to_string(group.id.value) + ", object " + std::to_string(ino.value);
    };
    require(group.frames->header(ino) == group.model.header(ino), where(), ": another header");
    const Times here = group.frames->times(ino), there = group.model.times(ino);
    require(here.mtime == there.mtime && here.ctime == there.ctime &&
                here.data_version == there.data_version && here.blocks == there.blocks,
            where(), ": other times");
    for (std::uint64_t p = 0; p <= options_.pages; ++p) {
      const auto mine = group.frames->page(ino, PageNo(p)),
                 other = group.model.page(ino, PageNo(p));
      require(mine.version == other.version, where(), ", page ", p, ": version ", mine.version,
              " instead of ", other.version);
      require(mine.bytes->data == other.bytes->data, where(), ", page ", p, ": other bytes");
    }
  }
  require(bool(pool_->health()), "damage: ", pool_->health() ? "" : pool_->health().error().what);
}

}  // namespace dspm::sim
