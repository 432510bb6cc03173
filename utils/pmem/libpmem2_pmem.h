// Byte-addressable persistent memory: one file, mapped by libpmem2, pool region first, log region
// behind it. Stores past the caches or flushed by cache line; a fence is one instruction. All
// inline: what fence() and sync() number is durable at once.
#pragma once

#include <cstdint>
#include <memory>

#include "utils/pmem/pmem.h"
#include "utils/pmem/pool_file.h"

namespace dspm {

// Whether libpmem2 would map `file` (not empty) as byte-addressable.
bool maps_as_memory(const PoolFile& file);

// By cache line even where libpmem2 knows only pages, as on tmpfs: whether that is meant is for the
// caller to know. Errors: io_error.
Result<std::unique_ptr<Pmem>> map_pmem(PoolFile file, std::uint64_t pool_size);

}  // namespace dspm
