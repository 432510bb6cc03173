// One tree operation: read keys, build a guarded transaction, try, and where a guard was lost read
// again. Whoever waits for it: the caller's `done`, called exactly once, at the latest
// retry_timeout after the start plus one answer of the store.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "namespace/tree/name_store.h"
#include "namespace/tree/tree.h"

namespace dspm::names {

struct TreeContext {
  NameStore& store;
  TreeOptions options;
  std::uint64_t sequence = 0;  // of transactions
  bool closed = false;         // the tree is gone: nothing is called any more
};

struct Operation {
  std::vector<Key> keys;
  // Further keys that what was read names; all are then read again, as of one moment.
  std::function<Result<std::vector<Key>>(const Snapshot&)> more;
  // The transaction, from what was read. An error ends the operation.
  std::function<Result<Txn>(const Snapshot&)> build;
  std::function<void(Result<Rev>)> done;
};

// Runs `operation`. Loop thread.
void run(const std::shared_ptr<TreeContext>& context, Operation operation);

}  // namespace dspm::names
