// Port: the cluster's small, rarely written state (6-coordination §5): who is a member, who is
// alive, who is primary. Eight operations; all calls block for milliseconds and may come from any
// thread but the loop's hot path: the loop calls it at start and end only, and watches.
// Errors of all: unavailable (surely not applied), unknown (perhaps applied: read, then decide),
// too_large, invalid, closed (after close()).
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

using StoreRev = std::uint64_t;                   // store-wide, strictly rising; survives restarts
using LeaseId = std::uint64_t;                    // 0 = none; reserved, see Session
inline constexpr std::size_t kMaxStoreOps = 128;  // of a transaction, as etcd's
inline constexpr std::size_t kMaxStoreBytes = std::size_t{1536}
                                              << 10;  // of a transaction, as etcd's

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
// All events of one or more whole revisions, in order, once each.
struct StoreBatch {
  StoreRev rev = 0;
  // A gap (compaction): list again from scratch, and drop what comes of revisions up to that
  // listing's. The watch goes on behind `rev`.
  bool reset = false;
  std::vector<StoreEvent> events;  // of an erasure: the key, and `modified` = its revision
};

// What every engine refuses alike. Status ok, invalid, too_large, or unsupported (leases).
Error check_txn(const std::vector<StoreGuard>& guards, const std::vector<StoreOp>& ops);

class ClusterStore {
 public:
  struct Watch {  // its end: no callback runs after it
    virtual ~Watch() = default;
  };
  // A node's life: the key that says "this node is here", never rewritten, so that {key, rev()} as
  // a guard means "I am still in" [S3]. Its revision is the incarnation [S1].
  // Nothing acts on its end yet: leases and deadlines come with the failure issue, and their fields
  // are reserved. A life that ended without leaving keeps its key until the next one replaces it.
  struct Session {
    // Leaves, best effort: erases the key and writes `left/<id>`. Before the store's end.
    virtual ~Session() = default;
    virtual StoreRev rev() const = 0;
    virtual LeaseId id() const = 0;  // reserved
    // Until then this life may act on what it owns; kNever until there are leases.
    virtual Time deadline() const = 0;
    // The store said that another life has replaced it, or erased it; never false again.
    virtual bool lost() const = 0;
  };
  virtual ~ClusterStore() = default;

  virtual Result<std::optional<StoreEntry>> get(const std::string& key) = 0;  // linearizable
  virtual Result<StoreListing> list(const std::string& prefix) = 0;           // one snapshot
  virtual Result<StoreReply> txn(const std::vector<StoreGuard>& guards,
                                 const std::vector<StoreOp>& ops) = 0;
  // `on_batch` on the engine's thread, in order, with what comes after revision `after`. It may
  // call the store, but neither watch nor end a watch.
  virtual Result<std::unique_ptr<Watch>> watch(const std::string& prefix, StoreRev after,
                                               std::function<void(const StoreBatch&)> on_batch) = 0;
  // Replaces the life that was there before. `ttl` is reserved. Errors: busy while another living
  // process, or this one, holds a session at `key`.
  virtual Result<std::unique_ptr<Session>> session(const std::string& key, const std::string& value,
                                                   Duration ttl) = 0;
  // Events of revisions below `keep_from` may be forgotten. Errors: invalid (beyond the newest).
  virtual Result<StoreRev> compact(StoreRev keep_from) = 0;
  virtual Result<std::string> identity() = 0;  // refuse to run on another store
  // No callback begins after it, every call says closed.
  virtual void close() = 0;
};

}  // namespace dspm::names
