// What every member of a group keeps, primary or backup: the records that its log still needs, the
// frames into which the decided ones are folded, the outcomes of commits. Obeys; decides nothing.
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "commit/effects.h"
#include "commit/frames.h"
#include "commit/outcomes.h"
#include "commit/pool.h"

namespace dspm::commit {

// A group as it comes back from this node's pool; of an empty pool: all zero.
struct ReplicaState {
  Frames frames;
  Outcomes outcomes;
  Lsn applied;                     // folded into frames, outcomes known
  std::vector<RecordRef> records;  // durable here, behind `applied`, contiguous
  MemberSpace space;               // what the pool has promised this group
  // [P10] Is there room for a record of this need in a pool that gives the group at most `frames`?
  // ok; busy: after a checkpoint; no_space. Null: there is.
  std::function<Status(const Pool::Need&, std::uint64_t frames)> room;
  // A commit waits for space: a checkpoint is worth it. Null: there is no pool.
  std::function<void()> want_space;
};

// What recovery found of a group, with everything folded that is known to be decided. `pool`
// outlives the state.
ReplicaState restore(Pool& pool, RecoveredGroup found);

class Replica {
 public:
  explicit Replica(ReplicaState state);

  Lsn last() const { return log_.empty() ? base_ : log_.back()->lsn; }
  Lsn applied() const { return applied_; }
  Lsn durable() const { return durable_; }
  Lsn trimmed() const { return trimmed_; }
  const MemberSpace& space() const { return space_; }
  // [P10] For a record of these extents and about `log_bytes`, on every member: `least` is what the
  // tightest has promised.
  Status room(Ino ino, std::span<const Extent> extents, std::uint64_t log_bytes,
              const MemberSpace& least) const;
  void want_space() const {
    if (want_space_) want_space_();
  }

  // The LSN at this place of the order; 0 = not held (any more), but for the last one trimmed.
  Lsn at(std::uint64_t sequence) const;
  RecordRef record(std::uint64_t sequence) const;  // null = not held
  // The lowest place whose successor is held: streams can begin behind it.
  Lsn base() const { return base_; }
  // The durable records behind `applied`.
  std::vector<RecordRun> runs() const;

  // `record` follows last().
  void append(RecordRef record, GroupEffects& out);
  // [A6] What is behind `sequence` was never decided.
  void cut_behind(std::uint64_t sequence);
  // The own log is durable up to here.
  void durable(Lsn lsn) { durable_ = std::max(durable_, lsn); }
  // [P5] Folds the next record, which is decided.
  Folded apply_next();
  // [P9] A checkpoint that covers everything up to `lsn` is durable.
  void trim(Lsn lsn);
  // [F2] A record of the object waits for its decision here.
  bool undecided(Ino ino) const;
  // [C5] What this node's kernel holds of the pages of the records behind `after`, up to `upto`.
  void kernel_copies(Lsn after, Lsn upto, const KernelCopies& kernel,
                     std::vector<KernelCopy>& out) const;

  const Frames& frames() const { return frames_; }
  const Outcomes& outcomes() const { return outcomes_; }
  Outcomes& outcomes() { return outcomes_; }
  void check_invariants() const;

 private:
  Frames frames_;
  Outcomes outcomes_;
  MemberSpace space_;
  std::function<Status(const Pool::Need&, std::uint64_t frames)> room_;
  std::function<void()> want_space_;
  std::deque<RecordRef> log_;  // contiguous, from the one behind base_
  Lsn base_, applied_, durable_, trimmed_;
};

}  // namespace dspm::commit
