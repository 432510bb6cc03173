// Port: the cluster's small, rarely written state (6-coordination §5): who is a member, who is
// alive, who is primary. Eight operations; all calls block for milliseconds and may come from any
// thread but the loop's hot path: the loop calls it at start and end only, and watches.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "utils/base/result.h"
#include "utils/base/time.h"

namespace dspm::names {

using StoreRev = std::uint64_t;  // store-wide, strictly rising; survives restarts
using LeaseId = std::uint64_t;   // 0 = none

struct StoreEntry {
  std::string key, value;
  StoreRev created = 0, modified = 0;
  LeaseId lease = 0;
};
// One a key: equal to a revision (0 = absent), or to a value.
struct StoreGuard {
  std::string key;
  StoreRev modified = 0;
  std::optional<std::string> value;
};
struct StoreOp {
  enum class Kind : unsigned char { put, erase } kind = Kind::put;
  std::string key, value;
  LeaseId lease = 0;
};
struct StoreReply {
  bool committed = false;
  StoreRev rev = 0;
  std::vector<StoreEntry> seen;  // of the guarded keys, where it lost
};
struct StoreListing {
  std::vector<StoreEntry> entries;
  StoreRev rev = 0;  // of the snapshot
};
struct StoreEvent {
  bool erased = false;
  StoreEntry entry;
};
// All events of one or more whole revisions, in order.
struct StoreBatch {
  StoreRev rev = 0;
  bool reset = false;  // a gap (compaction): list again from scratch
  std::vector<StoreEvent> events;
};

class ClusterStore {
 public:
  struct Watch {  // its end: no callback runs after it
    virtual ~Watch() = default;
  };
  // A node's life: the key that says "this node is here", never rewritten. Its revision is the
  // incarnation. Nothing acts on its end yet (leases come with the failure issue).
  struct Session {
    virtual ~Session() = default;  // leaves
    virtual StoreRev rev() const = 0;
    virtual LeaseId id() const = 0;
    // Until then this life may act on what it owns; kNever until leases are built.
    virtual Time deadline() const = 0;
    // The store said that another life has replaced it; never false again.
    virtual bool lost() const = 0;
  };
  virtual ~ClusterStore() = default;

  virtual Result<std::optional<StoreEntry>> get(const std::string& key) = 0;  // linearizable
  virtual Result<StoreListing> list(const std::string& prefix) = 0;           // one snapshot
  virtual Result<StoreReply> txn(const std::vector<StoreGuard>& guards,
                                 const std::vector<StoreOp>& ops) = 0;
  // `on_batch` on the engine's thread, in order, from revision `after` on.
  virtual Result<std::unique_ptr<Watch>> watch(const std::string& prefix, StoreRev after,
                                               std::function<void(const StoreBatch&)> on_batch) = 0;
  // Errors: busy while another living process holds a session at `key`.
  virtual Result<std::unique_ptr<Session>> session(const std::string& key, const std::string& value,
                                                   Duration ttl) = 0;
  virtual Result<StoreRev> compact(StoreRev keep_from) = 0;
  virtual Result<std::string> identity() = 0;  // refuse to run on another store
  virtual void close() = 0;                    // wakes everything that waits
};

}  // namespace dspm::names
