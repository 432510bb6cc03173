#include "utils/pmem/open_pmem.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "utils/pmem/file_pmem.h"
#include "utils/pmem/libpmem2_pmem.h"

namespace dspm {
namespace {

constexpr std::uint64_t kUnit = 4096;

std::string log_path(const PmemOptions& o) { return o.log.empty() ? o.pool + ".log" : o.log; }

bool on_tmpfs(const PoolFile& file) {
  struct statfs fs {};
  return ::fstatfs(file.fd(), &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

Outcome check_sizes(const PmemOptions& o) {
  for (const std::uint64_t size : {o.pool_size, o.log_size}) {
    if (size == 0 || size % kUnit != 0 || size > (std::uint64_t{1} << 60)) {
      return Error{Status::invalid, o.pool + ": a size of " + std::to_string(size) +
                                        " bytes is not a multiple of 4096"};
    }
  }
  return Done{};
}

// `file` is not empty.
PmemKind kind_of(const PmemOptions& o, const PoolFile& file) {
  if (o.kind) return *o.kind;
  return on_tmpfs(file) || maps_as_memory(file) ? PmemKind::byte_addressable : PmemKind::file;
}

Outcome check_size(const PoolFile& file, std::uint64_t size) {
  if (file.size() == size) return Done{};
  return Error{Status::foreign, file.path() + " has " + std::to_string(file.size()) +
                                    " bytes, but its pool would need " + std::to_string(size)};
}

// Nothing is ever formatted over. A log with content and no pool is somebody's, for a crash while
// making them leaves no such pair: the pool comes first.
Outcome check_unused(const PmemOptions& o, const PoolFile& pool) {
  const auto blank = pool.blank();
  if (!blank) return blank.error();
  if (!*blank) return Error{Status::exists, o.pool + " is in use as a pool or as something else"};
  if (pool.size() != 0 || o.kind == PmemKind::byte_addressable) return Done{};
  const auto log = PoolFile::open(log_path(o), 0);
  if (log.status() == Status::no_entry) return Done{};
  if (!log) return log.error();
  const auto log_blank = log->blank();
  if (!log_blank) return log_blank.error();
  if (*log_blank) return Done{};
  return Error{Status::exists, log->path() + " is the log of a pool that is not there"};
}

}  // namespace

Result<std::unique_ptr<Pmem>> create_pmem(const PmemOptions& o) {
  const Outcome sizes = check_sizes(o);
  if (!sizes) return sizes.error();
  auto pool = PoolFile::open_or_make(o.pool, 0);
  if (!pool) return pool.error();
  Outcome done = check_unused(o, *pool);
  if (done) done = pool->reset(o.pool_size);
  if (!done) return done.error();
  if (kind_of(o, *pool) == PmemKind::byte_addressable) {
    done = pool->reset(o.pool_size + o.log_size);
    if (done) done = pool->secure(o.pool_size, o.log_size);
    if (!done) return done.error();
    return map_pmem(*std::move(pool), o.pool_size);
  }
  auto log = PoolFile::open_or_make(log_path(o), O_DSYNC);
  if (!log) return log.error();
  done = log->reset(o.log_size);
  if (done) done = log->secure(0, o.log_size);
  if (done) done = log->fill();
  if (!done) return done.error();
  return std::unique_ptr<Pmem>(std::make_unique<FilePmem>(*std::move(pool), *std::move(log)));
}

Result<std::unique_ptr<Pmem>> open_pmem(const PmemOptions& o) {
  const Outcome sizes = check_sizes(o);
  if (!sizes) return sizes.error();
  auto pool = PoolFile::open(o.pool, 0);
  if (!pool) return pool.error();
  if (pool->size() == 0) return Error{Status::foreign, o.pool + " is empty"};
  if (kind_of(o, *pool) == PmemKind::byte_addressable) {
    const Outcome same = check_size(*pool, o.pool_size + o.log_size);
    if (!same) return same.error();
    return map_pmem(*std::move(pool), o.pool_size);
  }
  Outcome same = check_size(*pool, o.pool_size);
  if (!same) return same.error();
  auto log = PoolFile::open(log_path(o), O_DSYNC);
  if (!log) return log.error();
  same = check_size(*log, o.log_size);
  if (!same) return same.error();
  return std::unique_ptr<Pmem>(std::make_unique<FilePmem>(*std::move(pool), *std::move(log)));
}

Outcome read_pool_start(const std::string& pool, std::span<std::byte> out) {
  const int fd = ::open(pool.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return file_error(pool, errno);
  const ssize_t n = ::pread(fd, out.data(), out.size(), 0);
  const int failed = n < 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) return file_error("read of " + pool, failed);
  if (std::size_t(n) != out.size()) return Error{Status::io_error, pool + " is too short"};
  return Done{};
}

}  // namespace dspm
