// Persistent memory in two ordinary files (P2): the pool, sparse, written by pwrite and synced as a
// whole at a checkpoint; the log, fallocated and filled once, written with O_DSYNC. Mapping the
// pool instead would write whole folios for one byte and let every commit pay for all frames.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "utils/pmem/file_flusher.h"
#include "utils/pmem/pmem.h"

namespace dspm {

class FilePmem final : public Pmem {
 public:
  // `log` must have been opened with O_DSYNC.
  FilePmem(PoolFile pool, PoolFile log);

  PmemKind kind() const override { return PmemKind::file; }
  std::uint64_t size(PmemRegion region) const override { return of(region).file().size(); }

  void append(std::uint64_t offset, ByteSpan bytes) override { log_.put(offset, bytes); }
  std::uint64_t fence() override { return log_.request(); }
  std::uint64_t fences_done() const override { return fences_done_; }

  std::byte* memory() override { return nullptr; }
  void flush(std::uint64_t offset, std::uint64_t length) override;
  void write(std::uint64_t offset, ByteSpan bytes) override { pool_.put(offset, bytes); }
  std::uint64_t sync() override { return pool_.request(); }
  std::uint64_t syncs_done() const override { return syncs_done_; }
  std::uint64_t backlog() const override { return pool_.waiting(); }
  Outcome secure(std::uint64_t length) override { return pool_.file().secure(0, length); }

  Outcome read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) override;
  Outcome settle() override;

  void on_progress(std::function<void()> call) override;
  void poll() override;
  const Outcome& health() const override { return health_; }

 private:
  const FileFlusher& of(PmemRegion region) const {
    return region == PmemRegion::pool ? pool_ : log_;
  }

  FileFlusher pool_, log_;
  // As of the last poll().
  std::uint64_t fences_done_ = 0, syncs_done_ = 0;
  Outcome health_ = Done{};
};

}  // namespace dspm
