#include "tests/sim/sim_pmem.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "utils/pmem/write_queue.h"

namespace dspm::sim {
namespace {

void check_range(const SimRegion& region, std::uint64_t offset, std::uint64_t length) {
  DSPM_CHECK(offset <= region.size() && length <= region.size() - offset, offset, length,
             region.size());
}

// What both kinds share of a process: its options, chance and crash points.
class Process {
 public:
  Process(SimMedia& media, SimPmemOptions options)
      : media(media), options(std::move(options)), random(this->options.seed), lock_(media) {}

  void before(const char* step) {
    ++points_;
    if (options.before) options.before(points_, step);
  }
  std::uint64_t below(std::uint64_t n) { return random() % n; }
  void check_secured(std::uint64_t offset, std::uint64_t length) const {
    check_range(media.region(PmemRegion::pool), offset, length);
    DSPM_CHECK(offset + length <= media.secured(), "written without space", offset, length);
  }

  SimMedia& media;
  SimPmemOptions options;
  std::mt19937_64 random;
  std::uint64_t writes = 0;  // and syncs, of flushers

 private:
  SimLock lock_;
  std::uint64_t points_ = 0;
};

class SimMemoryPmem final : public Pmem {
 public:
  SimMemoryPmem(SimMedia& media, SimPmemOptions options) : process_(media, std::move(options)) {}

  PmemKind kind() const override { return PmemKind::byte_addressable; }
  std::uint64_t size(PmemRegion region) const override {
    return process_.media.region(region).size();
  }
  void append(std::uint64_t offset, ByteSpan bytes) override {
    check_range(log(), offset, bytes.size());
    process_.before("append");
    log().store(offset, bytes);
  }
  std::uint64_t fence() override {
    process_.before("fence");
    log().make_durable(0, log().size());
    return ++fences_;
  }
  std::uint64_t fences_done() const override { return fences_; }

  std::byte* memory() override { return pool().memory(); }
  void flush(std::uint64_t offset, std::uint64_t length) override {
    process_.check_secured(offset, length);
    process_.before("flush");
    pool().notice(offset, length);
  }
  void write(std::uint64_t offset, ByteSpan bytes) override {
    process_.check_secured(offset, bytes.size());
    std::copy(bytes.begin(), bytes.end(), pool().memory() + offset);
    flush(offset, bytes.size());
  }
  std::uint64_t sync() override {
    process_.before("sync");
    pool().make_durable(0, pool().size());  // recorded is flushed
    return ++syncs_;
  }
  std::uint64_t syncs_done() const override { return syncs_; }
  std::uint64_t backlog() const override { return 0; }
  Outcome secure(std::uint64_t length) override { return process_.media.secure(length); }

  Outcome read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) override {
    const SimRegion& from = process_.media.region(region);
    check_range(from, offset, out.size());
    std::ranges::copy(from.bytes().subspan(offset, out.size()), out.begin());
    return Done{};
  }
  Outcome settle() override {
    process_.before("settle");
    pool().make_durable();
    log().make_durable();
    return Done{};
  }
  void on_progress(std::function<void()>) override {}
  void poll() override {}
  const Outcome& health() const override { return health_; }

 private:
  SimRegion& pool() { return process_.media.region(PmemRegion::pool); }
  SimRegion& log() { return process_.media.region(PmemRegion::log); }

  Process process_;
  std::uint64_t fences_ = 0, syncs_ = 0;
  const Outcome health_ = Done{};
};

// As FileFlusher: at most one write in flight, what arrives meanwhile joins the next. A write
// reaches the media in two parts; the pool's is durable by a later sync, the log's when it returns.
class SimFlusher {
 public:
  SimFlusher(Process& process, PmemRegion which, std::function<void()> news)
      : process_(process), which_(which), news_(std::move(news)) {}

  void put(std::uint64_t offset, ByteSpan bytes) {
    check_range(region(), offset, bytes.size());
    if (failure_) return;
    queue_.put(offset, bytes);
    if (which_ == PmemRegion::pool && process_.below(4) == 0) early_ = true;
    go_on();
  }
  std::uint64_t request() {
    ++requested_;
    go_on();
    return requested_;
  }
  void read(std::uint64_t offset, std::span<std::byte> out) const {
    check_range(region(), offset, out.size());
    std::ranges::copy(region().bytes().subspan(offset, out.size()), out.begin());
    std::vector<WritePiece> newer = in_flight_;
    sealed_.collect(offset, out.size(), newer);
    queue_.collect(offset, out.size(), newer);
    for (const WritePiece& piece : newer) lay_over(piece, offset, out);
  }
  // At once, as for a process that waits for it.
  void settle() {
    *life_ = false;
    life_ = std::make_shared<bool>(true);
    for (const WritePiece& piece : in_flight_) region().store(piece.offset, piece.bytes);
    for (WriteQueue* queue : {&sealed_, &queue_}) {
      while (!queue->empty()) {
        for (const WritePiece& piece : queue->take(1, 1)) region().store(piece.offset, piece.bytes);
      }
    }
    region().make_durable();
    in_flight_.clear();
    busy_ = early_ = false;
    under_way_ = done_ = requested_;
  }
  ~SimFlusher() { *life_ = false; }

  std::uint64_t done() const { return done_; }
  const std::optional<Error>& failure() const { return failure_; }
  std::uint64_t waiting() const {
    std::uint64_t bytes = queue_.bytes() + sealed_.bytes();
    for (const WritePiece& piece : in_flight_) bytes += piece.bytes.size();
    return bytes;
  }

 private:
  SimRegion& region() { return process_.media.region(which_); }
  const SimRegion& region() const { return process_.media.region(which_); }

  void later(void (SimFlusher::*step)()) {
    const auto most = std::uint64_t(process_.options.delay_max.count()) + 1;
    process_.options.schedule(Duration(std::int64_t(process_.below(most))),
                              [this, step, life = life_] {
                                if (*life) (this->*step)();
                              });
  }

  void go_on() {
    if (busy_ || failure_) return;
    if (under_way_ == done_ && requested_ > done_) {
      sealed_ = std::exchange(queue_, {});
      under_way_ = requested_;
    }
    const bool asked = under_way_ > done_;
    WriteQueue& from = asked ? sealed_ : queue_;
    if (!from.empty() && (asked || std::exchange(early_, false))) {
      busy_ = true;
      in_flight_ = from.take(1 + process_.below(8), 1 + process_.below(64 * 1024));
      return later(&SimFlusher::write_a_part);
    }
    if (!asked) return;
    busy_ = true;
    if (which_ == PmemRegion::log) return later(&SimFlusher::finish);
    later(&SimFlusher::synced);
  }

  bool fails() {
    if (++process_.writes != process_.options.failing_write) return false;
    failure_ = Error{process_.options.failure, "simulated failure of a write"};
    return true;
  }

  void write_a_part() {
    process_.before("write");
    std::uint64_t total = 0;
    for (const WritePiece& piece : in_flight_) total += piece.bytes.size();
    written_ = process_.below(total + 1);
    store_in_flight(0, written_);
    if (fails()) return news_();
    later(&SimFlusher::write_the_rest);
  }
  void write_the_rest() {
    process_.before("write");
    store_in_flight(written_, ~std::uint64_t{0});
    later(&SimFlusher::written);
  }
  // `cut` within the bytes [at, at + size) that a piece has in the write, at the sector's start: a
  // process that is killed has not written a part of one.
  static std::uint64_t cut_in(const WritePiece& piece, std::uint64_t at, std::uint64_t cut) {
    const std::uint64_t end = at + piece.bytes.size();
    if (cut <= at || cut >= end) return std::clamp(cut, at, end);
    const std::uint64_t sector = (piece.offset + cut - at) / kSector * kSector;
    return at + (std::max(sector, piece.offset) - piece.offset);
  }
  void store_in_flight(std::uint64_t from, std::uint64_t to) {
    std::uint64_t at = 0;
    for (const WritePiece& piece : in_flight_) {
      const std::uint64_t end = at + piece.bytes.size();
      const std::uint64_t first = cut_in(piece, at, from), last = cut_in(piece, at, to);
      region().store(piece.offset + (first - at),
                     ByteSpan(piece.bytes).subspan(first - at, last - first));
      at = end;
    }
  }
  void written() {
    if (which_ == PmemRegion::log) {
      process_.before("written");
      for (const WritePiece& piece : in_flight_) {
        region().make_durable(piece.offset, piece.bytes.size());
      }
    }
    in_flight_.clear();
    if (which_ == PmemRegion::log && sealed_.empty()) return finish();
    busy_ = false;
    go_on();
    news_();
  }
  void synced() {
    process_.before("synced");
    if (fails()) return news_();
    region().make_durable(0, region().size());
    finish();
  }
  void finish() {
    done_ = under_way_;
    busy_ = false;
    go_on();
    news_();
  }

  static constexpr std::uint64_t kSector = 512;
  Process& process_;
  const PmemRegion which_;
  std::function<void()> news_;
  WriteQueue queue_, sealed_;
  std::vector<WritePiece> in_flight_;
  std::uint64_t requested_ = 0, under_way_ = 0, done_ = 0;
  std::uint64_t written_ = 0;  // bytes of in_flight_
  bool busy_ = false;          // a step is scheduled
  bool early_ = false;         // writes before anybody asks
  std::optional<Error> failure_;
  std::shared_ptr<bool> life_ = std::make_shared<bool>(true);  // of what is scheduled
};

class SimFilePmem final : public Pmem {
 public:
  SimFilePmem(SimMedia& media, SimPmemOptions options)
      : process_(media, std::move(options)),
        pool_(process_, PmemRegion::pool, [this] { tell(); }),
        log_(process_, PmemRegion::log, [this] { tell(); }) {}

  PmemKind kind() const override { return PmemKind::file; }
  std::uint64_t size(PmemRegion region) const override {
    return process_.media.region(region).size();
  }
  void append(std::uint64_t offset, ByteSpan bytes) override { log_.put(offset, bytes); }
  std::uint64_t fence() override { return log_.request(); }
  std::uint64_t fences_done() const override { return fences_done_; }

  std::byte* memory() override { return nullptr; }
  void flush(std::uint64_t offset, std::uint64_t length) override {
    DSPM_CHECK(false, "a file has no memory to flush", offset, length);
  }
  void write(std::uint64_t offset, ByteSpan bytes) override {
    process_.check_secured(offset, bytes.size());
    pool_.put(offset, bytes);
  }
  std::uint64_t sync() override { return pool_.request(); }
  std::uint64_t syncs_done() const override { return syncs_done_; }
  std::uint64_t backlog() const override { return pool_.waiting(); }
  Outcome secure(std::uint64_t length) override { return process_.media.secure(length); }

  Outcome read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) override {
    if (!health_) return health_;
    (region == PmemRegion::pool ? pool_ : log_).read(offset, out);
    return Done{};
  }
  Outcome settle() override {
    poll();
    if (!health_) return health_;
    process_.before("settle");
    pool_.settle();
    log_.settle();
    poll();
    return Done{};
  }
  void on_progress(std::function<void()> call) override { progress_ = std::move(call); }
  void poll() override {
    if (!health_) return;
    for (const SimFlusher* flusher : {&pool_, &log_}) {
      if (flusher->failure()) {
        health_ = *flusher->failure();
        return;
      }
    }
    fences_done_ = log_.done();
    syncs_done_ = pool_.done();
  }
  const Outcome& health() const override { return health_; }

 private:
  void tell() {
    if (progress_) progress_();
  }

  Process process_;
  SimFlusher pool_, log_;
  std::function<void()> progress_;
  std::uint64_t fences_done_ = 0, syncs_done_ = 0;
  Outcome health_ = Done{};
};

}  // namespace

Result<std::unique_ptr<Pmem>> open_sim_pmem(SimMedia& media, SimPmemOptions options) {
  if (SimLock::taken(media)) return Error{Status::busy, "the simulated pool is in use"};
  if (media.kind() == PmemKind::byte_addressable) {
    return std::unique_ptr<Pmem>(std::make_unique<SimMemoryPmem>(media, std::move(options)));
  }
  return std::unique_ptr<Pmem>(std::make_unique<SimFilePmem>(media, std::move(options)));
}

}  // namespace dspm::sim
