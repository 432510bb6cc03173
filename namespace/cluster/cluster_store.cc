#include "namespace/cluster/cluster_store.h"

#include <set>

namespace dspm::names {

Error check_txn(const std::vector<StoreGuard>& guards, const std::vector<StoreOp>& ops) {
  std::size_t bytes = 0;
  for (const StoreGuard& guard : guards) {
    if (guard.key.empty()) return {Status::invalid, "a guard without a key"};
    bytes += guard.key.size() + (guard.value ? guard.value->size() : 0);
  }
  std::set<std::string> keys;
  for (const StoreOp& op : ops) {
    if (op.key.empty()) return {Status::invalid, "an operation without a key"};
    if (!keys.insert(op.key).second) return {Status::invalid, "two operations on " + op.key};
    if (op.lease != 0) return {Status::unsupported, "there are no leases yet"};
    bytes += op.key.size() + op.value.size();
  }
  if (guards.size() > kMaxStoreOps || ops.size() > kMaxStoreOps || bytes > kMaxStoreBytes) {
    return {Status::too_large, "a transaction of " + std::to_string(ops.size()) + " operations, " +
                                   std::to_string(bytes) + " bytes"};
  }
  return {};
}

}  // namespace dspm::names
