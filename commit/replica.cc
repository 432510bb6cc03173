#include "commit/replica.h"

#include <algorithm>
#include <limits>

#include "utils/base/check.h"

namespace dspm::commit {

ReplicaState restore(Pool& pool, RecoveredGroup found) {
  ReplicaState state{Frames(pool, found.group), {}, found.applied, {}, {}, nullptr, nullptr};
  state.outcomes.restore(std::move(found.outcomes));
  state.space = {pool.log_share(), pool.page_share()};
  state.want_space = [&pool] { pool.want_space(); };
  state.room = [&pool, group = found.group](const Pool::Need& need, std::uint64_t frames) {
    // A member's pool is smaller than this one; what is let go is free after a checkpoint.
    if (frames < pool.page_share() && pool.frames_used(group) + need.fresh > frames) {
      pool.want_space();
      return Status::busy;
    }
    return pool.room(group, need);
  };
  for (RecordRef& record : found.records) {
    if (record->lsn > found.decided) {
      state.records.push_back(std::move(record));
      continue;
    }
    state.frames.fold(*record);
    state.outcomes.apply(*record);
    state.applied = record->lsn;
  }
  return state;
}

Replica::Replica(ReplicaState state)
    : frames_(std::move(state.frames)),
      outcomes_(std::move(state.outcomes)),
      space_(state.space),
      room_(std::move(state.room)),
      want_space_(std::move(state.want_space)),
      log_(state.records.begin(), state.records.end()),
      base_(state.applied),
      applied_(state.applied),
      trimmed_(state.applied) {
  durable_ = last();
}

Status Replica::room(Ino ino, std::span<const Extent> extents, std::uint64_t log_bytes,
                     const MemberSpace& least) const {
  if (log_bytes > least.log_bytes) return Status::no_space;
  if (!room_) return Status::ok;
  const FrameNeed need = frames_.need(ino, extents);
  return room_({log_bytes, need.pages, need.fresh}, least.frames);
}

Lsn Replica::at(std::uint64_t sequence) const {
  if (sequence == base_.sequence()) return base_;
  const RecordRef found = record(sequence);
  return found == nullptr ? Lsn() : found->lsn;
}

RecordRef Replica::record(std::uint64_t sequence) const {
  const std::uint64_t first = base_.sequence() + 1;
  if (sequence < first || sequence - first >= log_.size()) return nullptr;
  return log_[sequence - first];
}

std::vector<RecordRun> Replica::runs() const {
  std::vector<RecordRun> out;
  for (std::uint64_t s = applied_.sequence() + 1; s <= last().sequence(); ++s) {
    const Lsn lsn = at(s);
    if (lsn > durable_) break;
    if (out.empty() || out.back().first.epoch() != lsn.epoch()) out.push_back({lsn, 0});
    ++out.back().count;
  }
  return out;
}

void Replica::append(RecordRef record, GroupEffects& out) {
  DSPM_CHECK(record->previous == last() && record->lsn.sequence() == last().sequence() + 1,
             record->lsn, record->previous, last());
  log_.push_back(record);
  out.push_back(AppendRecord{std::move(record), applied_});
}

void Replica::cut_behind(std::uint64_t sequence) {
  DSPM_CHECK(sequence >= applied_.sequence(), sequence, applied_);
  while (last().sequence() > sequence) log_.pop_back();
  durable_ = std::min(durable_, last());
}

Folded Replica::apply_next() {
  const std::uint64_t index = applied_.sequence() - base_.sequence();
  DSPM_CHECK(index < log_.size(), applied_, last());
  const Record& record = *log_[index];
  DSPM_CHECK(record.lsn <= durable_, record.lsn, durable_);
  Folded folded = frames_.fold(record);
  outcomes_.apply(record);
  applied_ = record.lsn;
  return folded;
}

void Replica::trim(Lsn lsn) {
  DSPM_CHECK(lsn <= applied_, lsn, applied_);
  trimmed_ = std::max(trimmed_, lsn);
  while (!log_.empty() && log_.front()->lsn <= trimmed_) {
    base_ = log_.front()->lsn;
    log_.pop_front();
  }
}

bool Replica::undecided(Ino ino) const {
  for (std::size_t i = applied_.sequence() - base_.sequence(); i < log_.size(); ++i) {
    if (log_[i]->kind == RecordKind::write && log_[i]->ino == ino) return true;
  }
  return false;
}

void Replica::kernel_copies(Lsn after, Lsn upto, const KernelCopies& kernel,
                            std::vector<KernelCopy>& out) const {
  constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max() / kPageSize;
  for (std::uint64_t s = after.sequence() + 1; s <= upto.sequence(); ++s) {
    const RecordRef found = record(s);
    if (found == nullptr || found->kind != RecordKind::write) continue;
    PageNo asked;  // pages below it have been
    for (const Extent& extent : found->extents) {
      const PageNo first = std::max(asked, page_of(extent.offset));
      asked = PageNo(page_of(extent.end() - 1).value + 1);
      if (first < asked) {
        kernel.kernel_copies(found->ino, {first, asked.value - first.value}, out);
      }
    }
    if (found->cut) {
      const PageNo first = page_of(*found->cut);
      kernel.kernel_copies(found->ino, {first, kEnd - first.value}, out);
    }
  }
}

void Replica::check_invariants() const {
  Lsn last = base_;
  for (const RecordRef& record : log_) {
    DSPM_CHECK(record->previous == last && record->lsn > last, record->lsn, last);
    last = record->lsn;
  }
  DSPM_CHECK(base_ <= applied_ && applied_ <= durable_ && durable_ <= this->last(), base_, applied_,
             durable_, this->last());
  DSPM_CHECK(trimmed_ <= applied_, trimmed_, applied_);
}

}  // namespace dspm::commit
