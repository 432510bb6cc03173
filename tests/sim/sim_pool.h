// A node's simulated media, which outlive its lives, and in each life the real pool over them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "commit/replica.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_media.h"

namespace dspm::sim {

struct SimPoolOptions {
  PmemKind kind = PmemKind::byte_addressable;
  std::uint64_t pool_bytes = 1u << 20, log_bytes = 768u << 10;
  std::size_t groups = 1;
};

class SimPool {
 public:
  // Formats the media.
  SimPool(Scheduler& scheduler, NodeId node, const SimPoolOptions& options);

  // A life begins: recovers. `later` runs an action on that life's node after a delay, `progress`
  // says that flush() is due. False: refused; the run has failed.
  bool open(std::function<void(Duration, Action)> later, std::function<void()> progress);
  // The life ends: by kill -9, or with the power.
  void close(bool power);

  commit::ReplicaState recovered(GroupId group);
  Pmem& pmem() { return *pmem_; }
  commit::Pool& pool() { return *pool_; }

  // [C2] From inside: what would come back, were the power to fail now, has this record.
  bool would_hold(GroupId group, Lsn lsn) const;

 private:
  Scheduler& scheduler_;
  NodeId node_;
  SimPoolOptions options_;
  std::unique_ptr<SimMedia> media_;
  std::unique_ptr<Pmem> pmem_;
  std::unique_ptr<commit::Pool> pool_;
  std::vector<commit::RecoveredGroup> found_;
};

}  // namespace dspm::sim
