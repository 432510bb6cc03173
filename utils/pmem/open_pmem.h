// Making and opening a node's persistent memory: which kind it is, which files it has. Knows
// nothing of superblocks but where they lie: at the start of the pool, written last by who formats.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "utils/pmem/pmem.h"

namespace dspm {

struct PmemOptions {
  std::string pool;  // path; byte-addressable: log region behind the pool region, in one file
  std::string log;   // path, kind `file` only; empty: that of the pool + ".log"
  std::uint64_t pool_size = 0, log_size = 0;  // bytes, multiples of 4096, not 0
  // Absent: byte-addressable on tmpfs and where libpmem2 says so (DAX, PMEM2_FORCE_GRANULARITY),
  // else file. Given as byte_addressable, it holds on any file system: what survives a power
  // failure is then what that one writes back by itself.
  std::optional<PmemKind> kind;
};

// Makes both regions anew, as zeros: the log with space of its own, the pool sparse (see
// Pmem::secure). What a crashed or failed attempt has left goes.
// Errors: exists (something is in the pool's first two pages, or a log without a pool), busy (in
// use by another daemon), no_space, denied, invalid, unsupported, io_error.
Result<std::unique_ptr<Pmem>> create_pmem(const PmemOptions& options);

// Opens what create_pmem made with the same sizes.
// Errors: no_entry, foreign (other sizes), busy, denied, invalid, unsupported, io_error.
Result<std::unique_ptr<Pmem>> open_pmem(const PmemOptions& options);

// The first bytes of the pool, for who must learn its sizes from its superblocks first. Takes no
// lock. Errors: no_entry, denied, io_error.
Outcome read_pool_start(const std::string& pool, std::span<std::byte> out);

}  // namespace dspm
