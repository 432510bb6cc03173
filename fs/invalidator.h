// The pool of threads that may block inside the kernel's notify [F9]: a job comes in by value, its
// ticket goes out. They hold nothing of the node, so that a notify that waits for an answer of the
// loop delays other notifies only, and a waiting pool grows.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "dsm/events.h"
#include "utils/base/ids.h"
#include "utils/base/time.h"

namespace dspm::fs {

// The part of a device that an invalidator calls, each from any thread; errno or 0. ENOENT: the
// kernel has no such inode.
struct Notifier {
  std::function<int(Ino, std::uint64_t offset, std::uint64_t length)> drop;
  std::function<int(Ino)> void_attributes;
  std::function<int(Ino, std::uint64_t size)> raise_size;
  std::function<int(Ino)> refresh_size;  // makes the kernel ask for attributes [2-kernel rule 19]
  // The ctime the kernel shows [Z9]; none: it does not know the object (any more).
  std::function<std::optional<WallTime>(Ino)> shown_ctime;
};

class Invalidator {
 public:
  // Starts the first threads. Check: an eventfd could be made.
  explicit Invalidator(Notifier notifier);
  // Waits for jobs that are inside notify; those not yet begun are left out. Unmount first.
  ~Invalidator();
  Invalidator(const Invalidator&) = delete;
  Invalidator& operator=(const Invalidator&) = delete;

  // ---- the loop's thread
  void post(dsm::Job job);
  // Jobs that have returned since the last call, in any order. Clears done_fd().
  void take_done(std::vector<dsm::JobDone>& done);
  // Readable when take_done() has something.
  int done_fd() const { return done_fd_; }
  // Adds a thread where all have been inside notify for 5 ms and jobs wait [B2]. Cheap; call it at
  // deadline().
  void tend(Time now);
  // When tend() is wanted next; kNever while no job waits.
  Time deadline(Time now) const;

  std::size_t threads() const;      // now
  std::size_t threads_max() const;  // ever
  std::uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

 private:
  void start_thread();  // mutex_ held
  void work();
  bool run(const dsm::Job& job);  // false: the kernel has no such inode
  void wait_for_ctime(const dsm::Job& job, bool& seen);
  bool notify(const dsm::Job& job);

  Notifier notifier_;
  int done_fd_;
  std::atomic<std::uint64_t> failures_{0};
  mutable std::mutex mutex_;  // leaf; never held inside notify
  std::condition_variable wake_;
  std::deque<dsm::Job> waiting_;
  std::vector<dsm::JobDone> done_;
  std::vector<std::thread> threads_;  // those that have ended too, until joined
  std::vector<std::thread::id> ended_;
  std::size_t running_ = 0, idle_ = 0, most_ = 0;
  std::uint64_t moves_ = 0;       // jobs begun or returned
  std::uint64_t moves_seen_ = 0;  // at the last tend() that found movement
  Time still_since_{};            // no job began or returned since
  bool closing_ = false;
};

}  // namespace dspm::fs
