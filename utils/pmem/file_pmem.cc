#include "utils/pmem/file_pmem.h"

#include <utility>

namespace dspm {
namespace {

// Frames wait up to here for a newer version of themselves or for a checkpoint.
constexpr std::uint64_t kIdlePool = std::uint64_t{1} << 20;

}  // namespace

FilePmem::FilePmem(PoolFile pool, PoolFile log)
    : pool_(std::move(pool), FileFlusher::Durable::by_sync, kIdlePool),
      log_(std::move(log), FileFlusher::Durable::by_each_write, FileFlusher::kNever) {}

void FilePmem::flush(std::uint64_t offset, std::uint64_t length) {
  DSPM_CHECK(false, "a file has no memory to flush", offset, length);
}

Outcome FilePmem::read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) {
  DSPM_CHECK(offset <= size(region) && out.size() <= size(region) - offset, offset, out.size());
  return of(region).read(offset, out);
}

Outcome FilePmem::settle() {
  const std::uint64_t log = log_.request(true), pool = pool_.request(true);
  log_.wait(log);
  pool_.wait(pool);
  poll();
  return health_;
}

void FilePmem::on_progress(std::function<void()> call) {
  pool_.on_progress(call);
  log_.on_progress(std::move(call));
}

void FilePmem::poll() {
  if (!health_) return;
  const auto pool = pool_.progress(), log = log_.progress();
  if (pool.failure || log.failure) {
    health_ = pool.failure ? *pool.failure : *log.failure;
    return;
  }
  fences_done_ = log.done;
  syncs_done_ = pool.done;
}

}  // namespace dspm
