#include "utils/pmem/libpmem2_pmem.h"

#include <libpmem2.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace dspm {
namespace {

struct Functions {
  explicit Functions(pmem2_map* map)
      : copy(pmem2_get_memcpy_fn(map)),
        flush(pmem2_get_flush_fn(map)),
        drain(pmem2_get_drain_fn(map)) {}
  pmem2_memcpy_fn copy;
  pmem2_flush_fn flush;
  pmem2_drain_fn drain;
};

// Those for cache lines depend on the processor alone; libpmem2 gives them only out of a map. One
// page is that map for good: to delete one that was made so leaks memory of libpmem2 1.12.
Functions by_cache_line() {
  static pmem2_map* const some_map = [] {
    pmem2_map* map = nullptr;
    pmem2_source* source = nullptr;
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int code =
        pmem2_source_from_anon(&source, 4096) |
        pmem2_map_from_existing(&map, source, page, 4096, PMEM2_GRANULARITY_CACHE_LINE);
    DSPM_CHECK(page != MAP_FAILED && code == 0, pmem2_errormsg());
    pmem2_source_delete(&source);
    return map;
  }();
  return Functions(some_map);
}

// A file's mapping: libpmem2's or, where that one would use it by pages only, an ordinary one.
class Mapping {
 public:
  static Result<Mapping> by_libpmem2(const PoolFile& file) {
    Mapping m;
    if (m.map(file) != 0) {
      return Error{Status::io_error, "mapping of " + file.path() + ": " + pmem2_errormsg()};
    }
    return m;
  }
  static Result<Mapping> ordinary(const PoolFile& file) {
    Mapping m;
    m.length_ = file.size();
    m.own_ = ::mmap(nullptr, m.length_, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
    if (m.own_ == MAP_FAILED) return file_error("mapping of " + file.path(), errno);
    return m;
  }
  Mapping(Mapping&& o) noexcept
      : map_(std::exchange(o.map_, nullptr)),
        own_(std::exchange(o.own_, MAP_FAILED)),
        length_(o.length_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (map_ != nullptr) pmem2_map_delete(&map_);
    if (own_ != MAP_FAILED) ::munmap(own_, length_);
  }

  std::byte* start() const {
    return static_cast<std::byte*>(map_ != nullptr ? pmem2_map_get_address(map_) : own_);
  }
  Functions functions() const { return map_ != nullptr ? Functions(map_) : by_cache_line(); }
  bool by_pages() const {
    return map_ != nullptr && pmem2_map_get_store_granularity(map_) == PMEM2_GRANULARITY_PAGE;
  }

 private:
  Mapping() = default;

  int map(const PoolFile& file) {
    pmem2_config* config = nullptr;
    pmem2_source* source = nullptr;
    int code = pmem2_config_new(&config);
    if (code == 0) {
      code = pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_PAGE);
    }
    if (code == 0) code = pmem2_source_from_fd(&source, file.fd());
    if (code == 0) code = pmem2_map_new(&map_, config, source);
    if (source != nullptr) pmem2_source_delete(&source);
    if (config != nullptr) pmem2_config_delete(&config);
    return code;
  }

  pmem2_map* map_ = nullptr;
  void* own_ = MAP_FAILED;
  std::size_t length_ = 0;
};

class Libpmem2Pmem final : public Pmem {
 public:
  Libpmem2Pmem(PoolFile file, Mapping mapping, std::uint64_t pool_size)
      : file_(std::move(file)),
        mapping_(std::move(mapping)),
        pool_(mapping_.start()),
        log_(pool_ + pool_size),
        pool_size_(pool_size),
        log_size_(file_.size() - pool_size),
        functions_(mapping_.functions()) {
    // The loop's appends should not fault. Where this kernel cannot, they do.
    (void)::madvise(log_, log_size_, MADV_POPULATE_WRITE);
  }

  PmemKind kind() const override { return PmemKind::byte_addressable; }
  std::uint64_t size(PmemRegion region) const override {
    return region == PmemRegion::pool ? pool_size_ : log_size_;
  }

  void append(std::uint64_t offset, ByteSpan bytes) override {
    check(PmemRegion::log, offset, bytes.size());
    functions_.copy(log_ + offset, bytes.data(), bytes.size(), PMEM2_F_MEM_NODRAIN);
  }
  std::uint64_t fence() override {
    functions_.drain();
    return ++fences_;
  }
  std::uint64_t fences_done() const override { return fences_; }

  std::byte* memory() override { return pool_; }
  void flush(std::uint64_t offset, std::uint64_t length) override {
    check(PmemRegion::pool, offset, length);
    functions_.flush(pool_ + offset, length);
  }
  void write(std::uint64_t offset, ByteSpan bytes) override {
    check(PmemRegion::pool, offset, bytes.size());
    functions_.copy(pool_ + offset, bytes.data(), bytes.size(), PMEM2_F_MEM_NODRAIN);
  }
  std::uint64_t sync() override {
    functions_.drain();
    return ++syncs_;
  }
  std::uint64_t syncs_done() const override { return syncs_; }
  std::uint64_t backlog() const override { return 0; }
  Outcome secure(std::uint64_t length) override {
    check(PmemRegion::pool, 0, length);
    return file_.secure(0, length);
  }

  // Not through the mapping: to read a hole there takes space, or SIGBUS where there is none.
  Outcome read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) override {
    check(region, offset, out.size());
    return file_.read(offset + (region == PmemRegion::log ? pool_size_ : 0), out);
  }
  // The kernel knows which pages an earlier process left in the caches; the mapping does not.
  Outcome settle() override {
    functions_.drain();
    return file_.sync();
  }

  void on_progress(std::function<void()>) override {}  // nothing is ever under way
  void poll() override {}
  const Outcome& health() const override { return health_; }

 private:
  void check(PmemRegion region, std::uint64_t offset, std::uint64_t length) const {
    DSPM_CHECK(offset <= size(region) && length <= size(region) - offset, file_.path(), int(region),
               offset, length);
  }

  PoolFile file_;
  Mapping mapping_;
  std::byte* const pool_;
  std::byte* const log_;
  const std::uint64_t pool_size_, log_size_;
  const Functions functions_;
  std::uint64_t fences_ = 0, syncs_ = 0;
  const Outcome health_ = Done{};
};

}  // namespace

bool maps_as_memory(const PoolFile& file) {
  const auto mapping = Mapping::by_libpmem2(file);
  return mapping && !mapping->by_pages();
}

Result<std::unique_ptr<Pmem>> map_pmem(PoolFile file, std::uint64_t pool_size) {
  DSPM_CHECK(pool_size < file.size(), pool_size, file.size());
  auto offered = Mapping::by_libpmem2(file);
  if (!offered) return offered.error();
  auto mapping = offered->by_pages() ? Mapping::ordinary(file) : std::move(offered);
  if (!mapping) return mapping.error();
  return std::unique_ptr<Pmem>(
      std::make_unique<Libpmem2Pmem>(std::move(file), *std::move(mapping), pool_size));
}

}  // namespace dspm
