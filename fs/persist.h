// The node's log and checkpoints, once a turn: what the machines wrote is appended and made
// durable together, and they hear of it; a checkpoint begins when there is enough to gain.
#pragma once

#include <vector>

#include "commit/pool.h"
#include "fs/node.h"

namespace dspm::fs {

class Persist {
 public:
  // All outlive it. Loop thread.
  Persist(Pmem& pmem, commit::Pool& pool, const Node& node)
      : pmem_(pmem), pool_(pool), node_(node) {}

  void append(const WriteLog& write);
  // Behind the sends of a turn: begins the one fence, takes what has become durable. Appends what
  // the node must hear: LogDurable, LogTrimmed.
  void flush(Time now, std::vector<NodeEvent>& events);
  Time next_deadline() const { return pool_.next_deadline(); }
  // The pool's first failure, for good: nothing after it is durable, the node must end.
  const Outcome& health() const { return pool_.health(); }

 private:
  Pmem& pmem_;
  commit::Pool& pool_;
  const Node& node_;
};

}  // namespace dspm::fs
