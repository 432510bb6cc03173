#include "utils/cli/pool_view.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "commit/fragment.h"
#include "commit/recovery.h"
#include "utils/pmem/open_pmem.h"

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

std::string cluster_of(const commit::format::Superblock& superblock) {
  const auto end = std::find(superblock.cluster.begin(), superblock.cluster.end(), '\0');
  return {superblock.cluster.begin(), end};
}

Result<commit::format::Superblock> superblock_of(const std::string& path) {
  Bytes start(2 * kBlock);
  if (auto r = read_pool_start(path, start); !r) {
    if (r.status() == Status::no_entry || r.status() == Status::denied) return r.error();
    return Error{Status::no_entry, path + ": not a pool"};
  }
  auto superblock = commit::read_superblock(ByteSpan(start));
  if (!superblock) return at(path, superblock.error());
  return superblock;
}

Result<ViewedPool> view_pool(const std::string& path, std::function<void(std::uint64_t)> progress) {
  const auto superblock = superblock_of(path);
  if (!superblock) return superblock.error();
  PmemOptions options;
  options.pool = path;
  options.pool_size = commit::format::pool_size(superblock->frames);
  options.log_size = commit::format::kRing + superblock->ring;
  // The log of an ordinary file's pool lies beside it.
  const bool has_log = ::access((path + ".log").c_str(), F_OK) == 0;
  options.kind = has_log ? PmemKind::file : PmemKind::byte_addressable;
  auto pmem = open_pmem(options);
  if (!pmem) return pmem.error();
  ViewedPool viewed{
      path, *superblock, std::make_unique<PmemView>(*std::move(pmem), std::move(progress)), {}};
  auto opened =
      commit::Pool::open(*viewed.pmem, {cluster_of(*superblock), NodeId(superblock->node), {}}, {});
  if (!opened) return at(path, opened.error());
  viewed.opened = *std::move(opened);
  return viewed;
}

}  // namespace dspm::cli
