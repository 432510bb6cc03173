#include "utils/pmem/file_flusher.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace dspm {
namespace {

// Of one write: what the kernel takes at once, and enough that its fixed costs do not count.
constexpr std::size_t kPieces = 1024;  // IOV_MAX
constexpr std::uint64_t kBytes = std::uint64_t{8} << 20;

}  // namespace

FileFlusher::FileFlusher(PoolFile file, Durable durable, std::uint64_t idle_bytes)
    : file_(std::move(file)), durable_(durable), idle_bytes_(idle_bytes) {
  thread_ = std::thread([this] { work(); });
}

FileFlusher::~FileFlusher() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void FileFlusher::put(std::uint64_t offset, ByteSpan bytes) {
  DSPM_CHECK(offset <= file_.size() && bytes.size() <= file_.size() - offset, file_.path(), offset,
             bytes.size(), file_.size());
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    const bool had_enough = queue_.bytes() > idle_bytes_;
    queue_.put(offset, bytes);
    wake = !had_enough && queue_.bytes() > idle_bytes_;
  }
  if (wake) wake_.notify_one();
}

std::uint64_t FileFlusher::request(bool whole_file) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++requested_;
    whole_file_ = whole_file_ || whole_file;
  }
  wake_.notify_one();
  return number;
}

FileFlusher::Progress FileFlusher::progress() const {
  const std::lock_guard lock(mutex_);
  return {done_, failure_};
}

std::uint64_t FileFlusher::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.bytes() + sealed_.bytes() + in_flight_bytes_;
}

void FileFlusher::wait(std::uint64_t number) const {
  std::unique_lock lock(mutex_);
  news_.wait(lock, [&] { return done_ >= number || failure_; });
}

Outcome FileFlusher::read(std::uint64_t offset, std::span<std::byte> out) const {
  // Newer than the file, oldest first. Taken before the file is read: what is not among it has been
  // written by then.
  std::vector<WritePiece> newer;
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    for (const WritePiece& piece : in_flight_) {
      if (piece.offset < offset + out.size() && piece.end() > offset) newer.push_back(piece);
    }
    sealed_.collect(offset, out.size(), newer);
    queue_.collect(offset, out.size(), newer);
  }
  const Outcome got = file_.read(offset, out);
  if (!got) return got;
  for (const WritePiece& piece : newer) lay_over(piece, offset, out);
  return Done{};
}

void FileFlusher::on_progress(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  progress_ = std::move(call);
}

bool FileFlusher::has_work() const { return requested_ > done_ || queue_.bytes() > idle_bytes_; }

void FileFlusher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || (!failure_ && has_work()); });
    if (closing_) return;
    if (under_way_ == done_ && requested_ > done_) {
      sealed_ = std::exchange(queue_, {});
      under_way_ = requested_;
      whole_file_under_way_ = std::exchange(whole_file_, false);
    }
    Outcome outcome = Done{};
    if (under_way_ == done_) {
      outcome = write_some(queue_, lock);
    } else {
      if (!sealed_.empty()) outcome = write_some(sealed_, lock);
      if (outcome && sealed_.empty()) outcome = make_durable(lock);
    }
    if (!outcome) failure_ = outcome.error();
    const auto call = progress_;
    lock.unlock();
    news_.notify_all();
    if (call) call();
    lock.lock();
  }
}

Outcome FileFlusher::write_some(WriteQueue& from, std::unique_lock<std::mutex>& lock) {
  in_flight_ = from.take(kPieces, kBytes);
  for (const WritePiece& piece : in_flight_) in_flight_bytes_ += piece.bytes.size();
  lock.unlock();
  const Outcome outcome = write_out(in_flight_);
  lock.lock();
  in_flight_.clear();
  in_flight_bytes_ = 0;
  return outcome;
}

Outcome FileFlusher::make_durable(std::unique_lock<std::mutex>& lock) {
  if (durable_ == Durable::by_sync || whole_file_under_way_) {
    lock.unlock();
    const Outcome synced = file_.sync();
    lock.lock();
    if (!synced) return synced;
  }
  done_ = under_way_;
  return Done{};
}

Outcome FileFlusher::write_out(const std::vector<WritePiece>& pieces) const {
  std::array<iovec, kPieces> parts;
  std::size_t count = 0;
  for (const WritePiece& piece : pieces) {
    parts[count++] = {const_cast<std::byte*>(piece.bytes.data()), piece.bytes.size()};
  }
  std::uint64_t offset = pieces.front().offset;
  for (std::size_t first = 0; first < count;) {
    const ssize_t n = ::pwritev(file_.fd(), &parts[first], int(count - first), off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error("write to " + file_.path(), errno);
    offset += std::uint64_t(n);
    for (auto left = std::size_t(n); left > 0;) {
      const std::size_t step = std::min(left, parts[first].iov_len);
      parts[first].iov_base = static_cast<std::byte*>(parts[first].iov_base) + step;
      parts[first].iov_len -= step;
      left -= step;
      if (parts[first].iov_len == 0) ++first;
    }
  }
  return Done{};
}

}  // namespace dspm
