// Helpers of cluster_store_conformance.h. `Stores` gives cluster(0) and cluster(1), two processes'
// ways to the same store, run_until(condition, limit), and dead_session(key, value): the revision
// of a session whose process has died without leaving.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "namespace/cluster/cluster_store.h"

namespace dspm::test {

using namespace names;
using namespace std::chrono_literals;

inline StoreOp put(std::string key, std::string value) {
  return {StoreOp::Kind::put, std::move(key), std::move(value), 0};
}
inline StoreOp erase(std::string key) { return {StoreOp::Kind::erase, std::move(key), {}, 0}; }
inline StoreGuard at(std::string key, StoreRev rev) { return {std::move(key), rev, {}}; }

// list + watch = an exact copy; notes what is out of order.
struct Mirror {
  Mirror(ClusterStore& s, std::string p) : store(s), prefix(std::move(p)) {
    relist();
    watch = *store.watch(prefix, last, [this](const StoreBatch& batch) { take(batch); });
  }
  void relist() {
    const StoreListing listing = *store.list(prefix);
    kv.clear();
    for (const auto& entry : listing.entries) kv[entry.key] = entry.value;
    last = listing.rev;
  }
  void take(const StoreBatch& batch) {
    std::lock_guard lock(mutex);
    if (batch.reset) {
      ++resets;
      return relist();
    }
    if (batch.events.empty() || batch.rev <= last) bad = bad || batch.rev < last;
    for (const auto& event : batch.events) {
      const StoreEntry& entry = event.entry;
      bad = bad || entry.modified > batch.rev || !entry.key.starts_with(prefix);
      if (entry.modified <= last) {  // the listing after a reset had it
        bad = bad || resets == 0;
        continue;
      }
      if (event.erased) {
        bad = bad || kv.erase(entry.key) == 0;
      } else {
        kv[entry.key] = entry.value;
      }
    }
    last = std::max(last, batch.rev);
  }
  bool equal() {
    const StoreListing listing = *store.list(prefix);
    std::lock_guard lock(mutex);
    std::map<std::string, std::string> there;
    for (const auto& entry : listing.entries) there[entry.key] = entry.value;
    return there == kv;
  }
  std::string value(const std::string& key) {
    std::lock_guard lock(mutex);
    return kv.contains(key) ? kv[key] : "-";
  }
  ClusterStore& store;
  const std::string prefix;
  std::mutex mutex;
  std::map<std::string, std::string> kv;
  StoreRev last = 0;
  int resets = 0;
  bool bad = false;
  std::unique_ptr<ClusterStore::Watch> watch;
};

template <class Stores>
class ClusterStoreConformance : public ::testing::Test {
 public:
  ClusterStore& a() { return stores.cluster(0); }
  ClusterStore& b() { return stores.cluster(1); }
  bool until(const std::function<bool()>& done) { return stores.run_until(done, 10s); }
  Stores stores;
};

}  // namespace dspm::test
