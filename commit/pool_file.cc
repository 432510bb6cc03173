#include "commit/pool_file.h"

#include <filesystem>
#include <random>
#include <utility>

namespace dspm::commit {
namespace {

Error at(const std::string& path, const Error& error) {
  if (error.what.find(path) != std::string::npos) return error;
  return {error.status, path + ": " + error.what};
}

}  // namespace

PoolId random_pool_id() {
  std::random_device random;
  PoolId id;
  while (!id) id.value = std::uint64_t{random()} << 32 | random();
  return id;
}

Outcome make_pool(const std::string& path, std::uint64_t size, const PoolIdentity& identity,
                  std::optional<PmemKind> kind) {
  if (size < kLeastPool) {
    return Error{
        Status::invalid,
        path + ": a pool has at least 128 MiB: its log alone needs 64; name a larger size"};
  }
  const format::Parts parts = format::parts_of(size);
  PmemOptions options;
  options.pool = path;
  options.pool_size = parts.pool;
  options.log_size = parts.log;
  options.kind = kind;
  auto pmem = create_pmem(options);
  if (!pmem) return at(path, pmem.error());
  if (auto made = Pool::create(**pmem, identity); !made) return at(path, made.error());
  return Done{};
}

Result<format::Superblock> superblock_at(const std::string& path) {
  Bytes start(2 * format::kBlock);
  if (auto read = read_pool_start(path, start); !read) {
    if (read.status() == Status::no_entry || read.status() == Status::denied) return read.error();
    return Error{Status::no_entry, path + ": not a pool"};
  }
  auto superblock = read_superblock(ByteSpan(start));
  if (!superblock) return at(path, superblock.error());
  return superblock;
}

PmemOptions pmem_options(const std::string& path, const format::Superblock& superblock) {
  PmemOptions options;
  options.pool = path;
  options.pool_size = format::pool_size(superblock.frames);
  options.log_size = format::kRing + superblock.ring;
  std::error_code error;
  const bool own_log = std::filesystem::exists(path + ".log", error);
  options.kind = own_log ? PmemKind::file : PmemKind::byte_addressable;
  return options;
}

Result<PoolFileOpened> open_pool(const std::string& path, const PoolIdentity& expected,
                                 const PoolOptions& options) {
  const auto superblock = superblock_at(path);
  if (!superblock) return superblock.error();
  PoolFileOpened opened;
  auto pmem = open_pmem(pmem_options(path, *superblock));
  if (!pmem) return at(path, pmem.error());
  opened.pmem = std::move(*pmem);
  auto pool = Pool::open(*opened.pmem, expected, options);
  if (!pool) return at(path, pool.error());
  opened.pool = std::move(pool->pool);
  opened.groups = std::move(pool->groups);
  opened.report = pool->report;
  return opened;
}

}  // namespace dspm::commit
