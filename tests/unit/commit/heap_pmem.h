// A Pmem in plain memory, byte-addressable, at once durable: for machines that need a pool below
// them and no crashes. It may be copied.
#pragma once

#include <algorithm>
#include <cstring>

#include "commit/format.h"
#include "tests/sim/aligned_bytes.h"
#include "utils/pmem/pmem.h"

namespace dspm::test {

class HeapPmem final : public Pmem {
 public:
  // `ring`: bytes of the circular log.
  explicit HeapPmem(std::uint64_t frames = 256, std::uint64_t ring = std::uint64_t{1} << 20)
      : pool(commit::format::pool_size(frames)), log(commit::format::kRing + ring) {}

  PmemKind kind() const override { return PmemKind::byte_addressable; }
  std::uint64_t size(PmemRegion region) const override { return of(region).size(); }
  void append(std::uint64_t offset, ByteSpan bytes) override {
    std::copy(bytes.begin(), bytes.end(), log.begin() + std::ptrdiff_t(offset));
  }
  std::uint64_t fence() override { return ++fences_; }
  std::uint64_t fences_done() const override { return fences_; }
  std::byte* memory() override { return pool.data(); }
  void flush(std::uint64_t, std::uint64_t) override {}
  void write(std::uint64_t offset, ByteSpan bytes) override {
    std::copy(bytes.begin(), bytes.end(), pool.begin() + std::ptrdiff_t(offset));
  }
  std::uint64_t sync() override { return ++syncs_; }
  std::uint64_t syncs_done() const override { return syncs_; }
  std::uint64_t backlog() const override { return 0; }
  Outcome secure(std::uint64_t) override { return Done{}; }
  Outcome read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) override {
    std::memcpy(out.data(), of(region).data() + offset, out.size());
    return Done{};
  }
  Outcome settle() override { return Done{}; }
  void on_progress(std::function<void()>) override {}
  void poll() override {}
  const Outcome& health() const override { return health_; }

  sim::AlignedBytes pool, log;

 private:
  const sim::AlignedBytes& of(PmemRegion region) const {
    return region == PmemRegion::pool ? pool : log;
  }
  std::uint64_t fences_ = 0, syncs_ = 0;
  Outcome health_ = Done{};
};

}  // namespace dspm::test
