// The two stores, simulated: names and cluster state in maps that all nodes of a run share. Answers
// come after random delays, in each node's order; the name store may leave an outcome unknown or
// refuse, as a real one does when its disk or connection fails. One seed is one behaviour.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "namespace/cluster/cluster_store.h"
#include "namespace/tree/name_store.h"
#include "utils/base/time.h"

namespace dspm::sim {

struct SimStoreOptions {
  std::function<Time()> now;
  std::function<void(Duration, std::function<void()>)> schedule;
  std::uint64_t seed = 1;
  Duration delay_max = std::chrono::microseconds(400);  // each way
  unsigned unknown_percent = 0;  // of transactions; half of them have been applied
  unsigned refused_percent = 0;  // of transactions
};

// What all name stores of one run share; it outlives them.
class SimNames {
 public:
  SimNames(SimStoreOptions options, names::ApplyDelta apply_delta);
  // A node's way to the names.
  std::unique_ptr<names::NameStore> attach();
  const std::map<names::Key, names::Entry>& entries() const { return entries_; }

 private:
  friend class SimNameStore;
  std::uint64_t random();
  Duration delay() { return Duration(std::int64_t(random() % options_delay())); }
  std::uint64_t options_delay() const { return std::uint64_t(options_.delay_max.count()) + 1; }
  names::TxnReply apply(const names::Txn& txn);
  bool holds(const names::Guard& guard) const;

  SimStoreOptions options_;
  names::ApplyDelta apply_delta_;
  std::uint64_t state_;
  std::map<names::Key, names::Entry> entries_;
  std::map<std::vector<std::uint64_t>, names::Rev> committed_;  // by transaction id
  names::Rev rev_ = 2;                                          // above the cursors of `.` and `..`
};

// What all cluster stores of one run share; it outlives them. Watches are told in scheduled calls.
class SimCluster {
 public:
  explicit SimCluster(SimStoreOptions options) : options_(std::move(options)) {}
  std::unique_ptr<names::ClusterStore> attach();
  // The process that holds the session at `key` dies: the key stays, the next life may replace it.
  void kill(const std::string& key) { alive_.erase(key); }

 private:
  friend class SimClusterStore;
  struct Logged {
    names::StoreRev rev;
    names::StoreEvent event;
  };
  struct Watcher {
    std::string prefix;
    names::StoreRev last = 0;
    std::function<void(const names::StoreBatch&)> call;
    bool closed = false;
  };
  names::StoreReply apply(const std::vector<names::StoreGuard>& guards,
                          const std::vector<names::StoreOp>& ops);
  bool apply(const names::StoreOp& op);
  void tell_all();
  void tell(Watcher& watcher);

  SimStoreOptions options_;
  std::map<std::string, names::StoreEntry> entries_;
  std::vector<Logged> log_;
  std::vector<std::weak_ptr<Watcher>> watchers_;
  std::map<std::string, names::StoreRev> alive_;  // sessions held by living processes
  names::StoreRev rev_ = 0, compacted_ = 0;
};

}  // namespace dspm::sim
