// A member of a group that follows its primary: takes a contiguous, matching part of the order,
// acknowledges what is durable here, folds what it is told to be decided (3-protocol C2, C5, F2).
#pragma once

#include "commit/replica.h"

namespace dspm::commit {

class Backup {
 public:
  // `replica` and `kernel` outlive it.
  Backup(GroupId group, Epoch epoch, NodeId primary, Replica& replica, const KernelCopies& kernel)
      : group_(group), epoch_(epoch), primary_(primary), replica_(replica), kernel_(kernel) {}

  void collect(GroupEffects& out) const;
  void pull(const Pull& message, GroupEffects& out) const;
  void append(const Append& message, GroupEffects& out);
  // The replica's log has become durable further, or was trimmed.
  void durable(GroupEffects& out);
  void trimmed(GroupEffects& out) const;

  // [F2] This node may answer its own kernel for the object's pages.
  bool may_read(Ino ino) const;
  NodeId primary() const { return primary_; }
  // What is wrong for good with this member's log: it is of another history. Empty: nothing.
  const std::string& fault() const { return fault_; }

 private:
  bool take(const RecordRef& record, GroupEffects& out);
  void acknowledge(Lsn after, std::vector<KernelCopy> copies, GroupEffects& out) const;
  void advance(GroupEffects& out);

  GroupId group_;
  Epoch epoch_;
  NodeId primary_;
  Replica& replica_;
  const KernelCopies& kernel_;
  Lsn matched_;       // the primary's order up to here is in our log; of this epoch
  Lsn acknowledged_;  // ... and durable, and said so
  Lsn told_;          // decided, as told in this epoch
  bool heard_ = false;
  std::string fault_;
};

}  // namespace dspm::commit
