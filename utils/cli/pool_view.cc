#include "utils/cli/pool_view.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "commit/fragment.h"
#include "commit/recovery.h"

namespace dspm::cli {
namespace {

constexpr std::uint64_t kBlock = commit::format::kBlock;

Error at(const std::string& path, const Error& error) {
  return {error.status, path + ": " + error.what};
}

}  // namespace

void PmemView::append(std::uint64_t offset, ByteSpan bytes) { put(PmemRegion::log, offset, bytes); }
void PmemView::write(std::uint64_t offset, ByteSpan bytes) { put(PmemRegion::pool, offset, bytes); }

void PmemView::put(PmemRegion region, std::uint64_t offset, ByteSpan bytes) {
  while (!bytes.empty()) {
    const std::uint64_t start = offset / kBlock * kBlock;
    const auto [it, fresh] = blocks(region).try_emplace(start);
    if (fresh) {
      it->second.resize(std::min(kBlock, size(region) - start));
      // What cannot be read is noticed by who reads it.
      (void)below_->read(region, start, it->second).status();
    }
    const std::size_t n = std::min<std::size_t>(bytes.size(), start + it->second.size() - offset);
    std::memcpy(it->second.data() + (offset - start), bytes.data(), n);
    bytes = bytes.subspan(n);
    offset += n;
  }
}

Outcome PmemView::read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) {
  if (auto r = below_->read(region, offset, out); !r) return r;
  const std::uint64_t end = offset + out.size();
  const Blocks& over = blocks(region);
  for (auto it = over.lower_bound(offset / kBlock * kBlock); it != over.end() && it->first < end;
       ++it) {
    const std::uint64_t from = std::max(offset, it->first);
    const std::uint64_t to = std::min(end, it->first + it->second.size());
    std::memcpy(out.data() + (from - offset), it->second.data() + (from - it->first), to - from);
  }
  if (progress_) progress_(out.size());
  return Done{};
}

Result<ViewedPool> view_pool(const std::string& path, std::function<void(std::uint64_t)> progress) {
  const auto superblock = commit::superblock_at(path);
  if (!superblock) return superblock.error();
  auto pmem = open_pmem(commit::pmem_options(path, *superblock));
  if (!pmem) return pmem.error();
  ViewedPool viewed{
      path, *superblock, std::make_unique<PmemView>(*std::move(pmem), std::move(progress)), {}};
  auto opened = commit::Pool::open(
      *viewed.pmem, {commit::cluster_of(*superblock), NodeId(superblock->node), {}}, {});
  if (!opened) return at(path, opened.error());
  viewed.opened = *std::move(opened);
  return viewed;
}

}  // namespace dspm::cli
