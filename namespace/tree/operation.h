// One tree operation: read keys, build a guarded transaction, try, and where a guard was lost read
// again. Whoever waits for it: the caller's `done`, called exactly once, at the latest
// retry_timeout after the start plus one answer of the store. Loop thread.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "namespace/tree/name_store.h"
#include "namespace/tree/tree.h"

namespace dspm::names {

// What all operations of one tree share. They hold it; the tree marks it closed when it goes.
struct TreeContext {
  TreeContext(NameStore& s, TreeOptions o) : store(s), options(std::move(o)) {}
  NameStore& store;
  TreeOptions options;
  std::uint64_t sequence = 0;            // of transactions
  std::set<std::uint64_t> open;          // sequences without an outcome yet
  std::unordered_map<Key, Ino> guesses;  // what a name meant last; only saves a read
  bool closed = false;                   // the tree is gone: nothing is called any more

  Time deadline() const { return options.now() + options.retry_timeout; }
  void learn(const Key& name, Ino ino);
};

using SnapshotDone = std::function<void(Result<Snapshot>)>;
// Further keys that what was read names.
using MoreKeys = std::function<Result<std::vector<Key>>(const Snapshot&)>;

// `keys` and what `more` (may be empty) names, all as of one moment; read again while what is named
// keeps changing. Errors: those of the store and of `more`, timed_out.
void read_settled(const std::shared_ptr<TreeContext>& context, std::vector<Key> keys, MoreKeys more,
                  Time deadline, SnapshotDone done);

struct Operation {
  std::vector<Key> keys;
  MoreKeys more;
  // The transaction, from what was read. An error ends the operation.
  std::function<Result<Txn>(const Snapshot&)> build;
  std::function<void(Result<Rev>)> done;
};

// Runs `operation`.
void run(const std::shared_ptr<TreeContext>& context, Operation operation);

// Calls `then` later, on the loop, unless the tree is gone by then.
void later_on_loop(const std::shared_ptr<TreeContext>& context, std::function<void()> then);

}  // namespace dspm::names
