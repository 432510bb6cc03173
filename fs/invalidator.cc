#include "fs/invalidator.h"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "utils/base/check.h"
#include "utils/base/limits.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace dspm::fs {
namespace {

constexpr std::size_t kThreadsAlways = 2;
constexpr std::size_t kThreadsMost = 256;  // a thread inside notify costs a stack, no more
constexpr auto kAllStuck = 5ms;            // [F9]
constexpr auto kIdleEnd = 1s;              // how long an extra thread waits for work
// [Z9] The SETATTR's caller applies the answer as soon as it runs; after so long without it the
// push is made twice instead, the second time when it surely has run.
constexpr auto kCtimeWait = 1s;
constexpr auto kPushAgain = 100ms;

}  // namespace

Invalidator::Invalidator(Notifier notifier)
    : notifier_(std::move(notifier)), done_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  DSPM_CHECK(done_fd_ >= 0, errno);
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kThreadsAlways; ++i) start_thread();
}

Invalidator::~Invalidator() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    waiting_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  ::close(done_fd_);
}

void Invalidator::start_thread() {
  std::erase_if(threads_, [&](std::thread& thread) {
    const auto ended = std::find(ended_.begin(), ended_.end(), thread.get_id());
    if (ended == ended_.end()) return false;
    ended_.erase(ended);
    thread.join();  // has left work() already
    return true;
  });
  ++running_;
  ++idle_;  // until it takes its first job
  most_ = std::max(most_, running_);
  threads_.emplace_back([this] { work(); });
}

void Invalidator::post(dsm::Job job) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Invalidator::take_done(std::vector<dsm::JobDone>& done) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(done_fd_, &count, sizeof count);
  done.clear();
  const std::lock_guard lock(mutex_);
  std::swap(done, done_);
}

void Invalidator::tend(Time now) {
  const std::lock_guard lock(mutex_);
  if (moves_ != moves_seen_ || waiting_.empty() || idle_ > 0) {
    moves_seen_ = moves_;
    still_since_ = now;
    return;
  }
  if (now - still_since_ < kAllStuck || running_ >= kThreadsMost) return;
  start_thread();
  still_since_ = now;
}

Time Invalidator::deadline(Time now) const {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty() || idle_ > 0 || running_ >= kThreadsMost) return kNever;
  return now + kAllStuck;
}

std::size_t Invalidator::threads() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

std::size_t Invalidator::threads_max() const {
  const std::lock_guard lock(mutex_);
  return most_;
}

void Invalidator::work() {
  ::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);  // [2-kernel rule 14]
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool work_came =
        wake_.wait_for(lock, kIdleEnd, [&] { return closing_ || !waiting_.empty(); });
    if (closing_ || (!work_came && running_ > kThreadsAlways)) break;
    if (!work_came) continue;
    dsm::Job job = std::move(waiting_.front());
    waiting_.pop_front();
    --idle_;
    ++moves_;
    lock.unlock();
    const bool known = run(job);
    lock.lock();
    ++idle_;
    ++moves_;
    done_.push_back({job.ticket, job.ino, !known});
    if (done_.size() > 1) continue;  // the loop has been told
    lock.unlock();
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = ::write(done_fd_, &one, sizeof one);
    lock.lock();
  }
  --idle_;
  --running_;
  ended_.push_back(std::this_thread::get_id());
}

void Invalidator::wait_for_ctime(const dsm::Job& job, bool& seen) {
  const auto until = std::chrono::steady_clock::now() + kCtimeWait;
  auto pause = std::chrono::microseconds(5);
  seen = true;
  for (;;) {
    const auto shown = notifier_.shown_ctime(job.ino);
    if (!shown || *shown >= *job.after_ctime) return;
    if (std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(1000));
  }
  seen = false;
}

bool Invalidator::run(const dsm::Job& job) {
  bool seen = true;
  if (job.after_ctime) wait_for_ctime(job, seen);
  const bool known = notify(job);
  if (seen) return known;
  std::this_thread::sleep_for(kPushAgain);
  return notify(job);
}

bool Invalidator::notify(const dsm::Job& job) {
  int error = 0;
  switch (job.kind) {
    case dsm::Job::Kind::void_attrs:
      error = notifier_.void_attributes(job.ino);
      break;
    case dsm::Job::Kind::raise_size:
      error = notifier_.raise_size(job.ino, job.size);
      if (error != 0) break;
      [[fallthrough]];
    case dsm::Job::Kind::drop:
      error = notifier_.drop(job.ino, job.offset, job.length);
      break;
    case dsm::Job::Kind::shrink:
      error = notifier_.void_attributes(job.ino);
      if (error == 0) error = notifier_.drop(job.ino, job.offset, 0);
      if (error == 0) error = notifier_.refresh_size(job.ino);
      break;
  }
  if (error != 0 && error != ENOENT) ++failures_;
  return error != ENOENT;
}

}  // namespace dspm::fs
