// A pool by its path: which kind of memory is there, which sizes, one object for all of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commit/format.h"
#include "commit/pool.h"
#include "commit/recovery.h"
#include "utils/pmem/open_pmem.h"

namespace dspm::commit {

inline constexpr std::uint64_t kLeastPool = std::uint64_t{128} << 20;  // its log alone needs 64 MiB

// Of a pool to be made; never 0.
PoolId random_pool_id();

// Makes a pool of `size` bytes, log included, at `path`: sparse, mode 0600. Blocks. `kind` absent:
// what the file system is. Errors: exists, invalid (size), no_space, denied, no_entry (its
// directory), io_error.
Outcome make_pool(const std::string& path, std::uint64_t size, const PoolIdentity& identity,
                  std::optional<PmemKind> kind = {});

// What the pool at `path` says of itself; takes no lock. Errors: no_entry (nothing, or not a pool),
// foreign, denied.
Result<format::Superblock> superblock_at(const std::string& path);
// How it is opened: an ordinary file's has its log beside it.
PmemOptions pmem_options(const std::string& path, const format::Superblock& superblock);

struct PoolFileOpened {
  std::unique_ptr<Pmem> pmem;  // outlives the pool
  std::unique_ptr<Pool> pool;
  std::vector<RecoveredGroup> groups;
  RecoveryReport report;
};
// Locks and recovers it. Blocks. Errors: as Pool::open and open_pmem, each with the path.
Result<PoolFileOpened> open_pool(const std::string& path, const PoolIdentity& expected,
                                 const PoolOptions& options);

}  // namespace dspm::commit
