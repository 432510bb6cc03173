// A pool looked at without changing it: what its opening writes stays in memory.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "commit/pool_file.h"
#include "utils/pmem/pmem.h"

namespace dspm::cli {

// Reads `below`, keeps what is written over it. `progress` hears how many bytes were read.
class PmemView final : public Pmem {
 public:
  PmemView(std::unique_ptr<Pmem> below, std::function<void(std::uint64_t)> progress)
      : below_(std::move(below)), progress_(std::move(progress)) {}

  PmemKind kind() const override { return PmemKind::file; }
  std::uint64_t size(PmemRegion region) const override { return below_->size(region); }
  void append(std::uint64_t offset, ByteSpan bytes) override;
  std::uint64_t fence() override { return ++fences_; }
  std::uint64_t fences_done() const override { return fences_; }
  std::byte* memory() override { return nullptr; }
  void flush(std::uint64_t, std::uint64_t) override {}
  void write(std::uint64_t offset, ByteSpan bytes) override;
  std::uint64_t sync() override { return ++syncs_; }
  std::uint64_t syncs_done() const override { return syncs_; }
  std::uint64_t backlog() const override { return 0; }
  Outcome secure(std::uint64_t) override { return Done{}; }
  Outcome read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) override;
  Outcome settle() override { return Done{}; }
  void on_progress(std::function<void()>) override {}
  void poll() override {}
  const Outcome& health() const override { return below_->health(); }

 private:
  using Blocks = std::map<std::uint64_t, Bytes>;
  void put(PmemRegion region, std::uint64_t offset, ByteSpan bytes);
  Blocks& blocks(PmemRegion region) { return region == PmemRegion::pool ? pool_ : log_; }

  std::unique_ptr<Pmem> below_;
  std::function<void(std::uint64_t)> progress_;
  Blocks pool_, log_;
  std::uint64_t fences_ = 0, syncs_ = 0;
};

// A pool opened through a view of its own.
struct ViewedPool {
  std::string path;
  commit::format::Superblock superblock;
  std::unique_ptr<PmemView> pmem;
  commit::Pool::Opened opened;
};
// Errors as commit::superblock_at; busy (a daemon has it), corrupt.
Result<ViewedPool> view_pool(const std::string& path,
                             std::function<void(std::uint64_t)> progress = {});

// Where replicas of one group are not the same; empty: nowhere. Folds what is decided on any.
std::vector<std::string> differences(std::vector<ViewedPool>& pools);

}  // namespace dspm::cli
