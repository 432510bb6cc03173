#include "tests/sim/sim_pool.h"

#include "tests/sim/sim_pmem.h"

namespace dspm::sim {
namespace {

commit::PoolIdentity identity(NodeId node) {
  return {"sim", node, commit::PoolId(1000 + node.value)};
}

// For what is done on the side: every write takes no time.
SimPmemOptions at_once() {
  SimPmemOptions options;
  options.schedule = [](Duration, std::function<void()> action) { action(); };
  return options;
}

}  // namespace

SimPool::SimPool(Scheduler& scheduler, NodeId node, const SimPoolOptions& options)
    : scheduler_(scheduler),
      node_(node),
      options_(options),
      media_(std::make_unique<SimMedia>(options.kind, options.pool_bytes, options.log_bytes)) {
  auto pmem = open_sim_pmem(*media_, at_once());
  if (auto made = commit::Pool::create(**pmem, identity(node)); !made) {
    scheduler_.fail("pool: " + made.error().what);
  }
}

bool SimPool::open(std::function<void(Duration, Action)> later, std::function<void()> progress) {
  SimPmemOptions options;
  options.schedule = [later](Duration delay, std::function<void()> action) {
    later(delay, std::move(action));
  };
  options.seed = scheduler_.random();
  auto pmem = open_sim_pmem(*media_, std::move(options));
  if (!pmem) {
    scheduler_.fail("pool: " + pmem.error().what);
    return false;
  }
  pmem_ = *std::move(pmem);
  auto opened = commit::Pool::open(*pmem_, identity(node_), {options_.groups});
  if (!opened) {
    scheduler_.fail("pool: " + opened.error().what);
    return false;
  }
  pmem_->on_progress(std::move(progress));
  pool_ = std::move(opened->pool);
  found_ = std::move(opened->groups);
  return true;
}

void SimPool::close(bool power) {
  pool_.reset();
  pmem_.reset();
  if (power) {
    const auto keep = Keep(scheduler_.below(3));
    media_->lose_power(keep, scheduler_.random());
  }
}

commit::ReplicaState SimPool::recovered(GroupId group) {
  for (commit::RecoveredGroup& found : found_) {
    if (found.group == group) return commit::restore(*pool_, std::move(found));
  }
  return commit::restore(*pool_, commit::RecoveredGroup{group, {}, {}, {}, {}});
}

bool SimPool::would_hold(GroupId group, Lsn lsn) const {
  SimMedia copy = *media_;
  copy.lose_power(Keep::nothing, 0);
  auto pmem = open_sim_pmem(copy, at_once());
  auto opened = commit::Pool::open(**pmem, identity(node_), {options_.groups});
  if (!opened) return false;
  for (const commit::RecoveredGroup& found : opened->groups) {
    if (found.group != group) continue;
    if (found.applied >= lsn) return true;
    for (const commit::RecordRef& record : found.records)
      if (record->lsn == lsn) return true;
  }
  return false;
}

}  // namespace dspm::sim
