// The writer of one file: a thread with at most one write in flight, out of copies in DRAM. What
// arrives meanwhile joins the next write. Each of the pool's two files has its own, so that a
// commit's append never waits behind the writing or syncing of frames (P2, P3).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "utils/pmem/pool_file.h"
#include "utils/pmem/write_queue.h"

namespace dspm {

// Any thread, but put() and request() one at a time.
class FileFlusher {
 public:
  enum class Durable : std::uint8_t {
    by_each_write,  // the file is open with O_DSYNC
    by_sync,        // one fdatasync, begun after the writes have returned
  };
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  // Writes what nobody has asked to be durable once more than `idle_bytes` (or kNever) wait.
  FileFlusher(PoolFile file, Durable durable, std::uint64_t idle_bytes);
  // Waits for the write in flight; what waits is lost.
  ~FileFlusher();
  FileFlusher(const FileFlusher&) = delete;
  FileFlusher& operator=(const FileFlusher&) = delete;

  const PoolFile& file() const { return file_; }

  void put(std::uint64_t offset, ByteSpan bytes);
  // Makes all that was put so far durable; `whole_file`: also what an earlier process wrote.
  // Returns its number; progress().done says when.
  std::uint64_t request(bool whole_file = false);

  struct Progress {
    std::uint64_t done = 0;        // the number of the last request that is durable
    std::optional<Error> failure;  // the first; nothing is written after it
  };
  Progress progress() const;
  std::uint64_t waiting() const;  // bytes put and not yet written
  // Blocks until request `number` is durable or something has failed.
  void wait(std::uint64_t number) const;

  // What was put, written or not. Errors: io_error, and the failure.
  Outcome read(std::uint64_t offset, std::span<std::byte> out) const;

  // `call` runs on the flusher's thread whenever progress() or waiting() has news.
  void on_progress(std::function<void()> call);

 private:
  void work();
  bool has_work() const;  // mutex_ held
  // `lock` is let go of while in the kernel.
  Outcome write_some(WriteQueue& from, std::unique_lock<std::mutex>& lock);
  Outcome make_durable(std::unique_lock<std::mutex>& lock);
  Outcome write_out(const std::vector<WritePiece>& pieces) const;

  const PoolFile file_;
  const Durable durable_;
  const std::uint64_t idle_bytes_;

  mutable std::mutex mutex_;              // leaf; never held in the kernel or in progress_
  std::condition_variable wake_;          // the thread's
  mutable std::condition_variable news_;  // of wait()
  std::function<void()> progress_;
  WriteQueue queue_;
  WriteQueue sealed_;                  // older than queue_: what the request under way waits for
  std::vector<WritePiece> in_flight_;  // older than both; written only by the thread
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t requested_ = 0, under_way_ = 0, done_ = 0;
  bool whole_file_ = false, whole_file_under_way_ = false;
  std::optional<Error> failure_;
  bool closing_ = false;
  std::thread thread_;  // last: sees all of the above
};

}  // namespace dspm
