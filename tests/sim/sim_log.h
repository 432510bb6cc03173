// A node's durable log as the machines see it: records, of which at a crash those not yet durable
// may or may not survive. What lies below (fragments, frames, checkpoints) has its own tests.
#pragma once

#include <map>
#include <vector>

#include "commit/replica.h"
#include "tests/sim/scheduler.h"

namespace dspm::sim {

class SimLog {
 public:
  void append(GroupId group, commit::RecordRef record, Lsn decided);
  void durable(GroupId group, Lsn lsn);
  // Power fails: any number of the records that are not durable goes, the last first.
  void crash(Scheduler& scheduler);
  // [E6] As recovery finds it: folded up to the highest decided LSN that the log names.
  commit::ReplicaState recover(GroupId group) const;

 private:
  struct Entry {
    commit::RecordRef record;
    Lsn decided;
  };
  struct OfGroup {
    std::vector<Entry> entries;  // in the order of their appends
    std::size_t durable = 0;     // so many of them
  };
  std::map<GroupId, OfGroup> groups_;
};

}  // namespace dspm::sim
