#include "utils/pmem/libpmem2_pmem.h"

#include <libpmem2.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace dspm {
namespace {

Error pmem2_error(const PoolFile& file, int code) {
  const auto status =
      code == PMEM2_E_GRANULARITY_NOT_SUPPORTED ? Status::unsupported : Status::io_error;
  return {status, "mapping of " + file.path() + ": " + pmem2_errormsg()};
}

// A file's mapping: libpmem2's, or (forced) an ordinary one that libpmem2 only has the functions
// for.
class Mapping {
 public:
  static Result<Mapping> make(const PoolFile& file, bool forced) {
    Mapping m;
    m.length_ = file.size();
    const int code = forced ? m.map_forced(file) : m.map_new(file);
    if (code != 0 && !m.map_ && m.own_ == MAP_FAILED && forced) {
      return file_error("mapping of " + file.path(), errno);
    }
    if (code != 0) return pmem2_error(file, code);
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

  pmem2_map* get() const { return map_; }
  std::byte* start() const { return static_cast<std::byte*>(pmem2_map_get_address(map_)); }

 private:
  Mapping() = default;

  int map_new(const PoolFile& file) {
    pmem2_config* config = nullptr;
    pmem2_source* source = nullptr;
    int code = pmem2_config_new(&config);
    if (code == 0) {
      code = pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_CACHE_LINE);
    }
    if (code == 0) code = pmem2_source_from_fd(&source, file.fd());
    if (code == 0) code = pmem2_map_new(&map_, config, source);
    if (source != nullptr) pmem2_source_delete(&source);
    if (config != nullptr) pmem2_config_delete(&config);
    return code;
  }

  int map_forced(const PoolFile& file) {
    own_ = ::mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
    if (own_ == MAP_FAILED) return -1;
    pmem2_source* source = nullptr;
    int code = pmem2_source_from_fd(&source, file.fd());
    if (code == 0) {
      code = pmem2_map_from_existing(&map_, source, own_, length_, PMEM2_GRANULARITY_CACHE_LINE);
    }
    if (source != nullptr) pmem2_source_delete(&source);
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
        copy_(pmem2_get_memcpy_fn(mapping_.get())),
        flush_(pmem2_get_flush_fn(mapping_.get())),
        drain_(pmem2_get_drain_fn(mapping_.get())) {
    // The loop's appends should not fault. Where this kernel cannot, they do.
    (void)::madvise(log_, log_size_, MADV_POPULATE_WRITE);
  }

  PmemKind kind() const override { return PmemKind::byte_addressable; }
  std::uint64_t size(PmemRegion region) const override {
    return region == PmemRegion::pool ? pool_size_ : log_size_;
  }

  void append(std::uint64_t offset, ByteSpan bytes) override {
    check(PmemRegion::log, offset, bytes.size());
    copy_(log_ + offset, bytes.data(), bytes.size(), PMEM2_F_MEM_NODRAIN);
  }
  std::uint64_t fence() override {
    drain_();
    return ++fences_;
  }
  std::uint64_t fences_done() const override { return fences_; }

  std::byte* memory() override { return pool_; }
  void flush(std::uint64_t offset, std::uint64_t length) override {
    check(PmemRegion::pool, offset, length);
    flush_(pool_ + offset, length);
  }
  void write(std::uint64_t offset, ByteSpan bytes) override {
    check(PmemRegion::pool, offset, bytes.size());
    copy_(pool_ + offset, bytes.data(), bytes.size(), PMEM2_F_MEM_NODRAIN);
  }
  std::uint64_t sync() override {
    drain_();
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
    drain_();
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
  const pmem2_memcpy_fn copy_;
  const pmem2_flush_fn flush_;
  const pmem2_drain_fn drain_;
  std::uint64_t fences_ = 0, syncs_ = 0;
  const Outcome health_ = Done{};
};

}  // namespace

bool maps_as_memory(const PoolFile& file) { return bool(Mapping::make(file, false)); }

Result<std::unique_ptr<Pmem>> map_pmem(PoolFile file, std::uint64_t pool_size, bool forced) {
  DSPM_CHECK(pool_size < file.size(), pool_size, file.size());
  auto mapping = Mapping::make(file, forced);
  if (!mapping) return mapping.error();
  return std::unique_ptr<Pmem>(
      std::make_unique<Libpmem2Pmem>(std::move(file), *std::move(mapping), pool_size));
}

}  // namespace dspm
