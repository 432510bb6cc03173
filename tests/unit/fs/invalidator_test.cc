#include "fs/invalidator.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <condition_variable>
#include <mutex>
#include <string>

#include "utils/base/clock.h"

namespace dspm::fs {
namespace {

using namespace std::chrono_literals;

// A kernel that writes down what it is told, and can hold a notify up.
struct FakeKernel {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> calls;
  bool held = false;
  int inside = 0;
  std::optional<WallTime> ctime;

  void call(const std::string& what) {
    std::unique_lock lock(mutex);
    calls.push_back(what);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return !held; });
    --inside;
  }
  void hold(bool on) {
    const std::lock_guard lock(mutex);
    held = on;
    changed.notify_all();
  }
  bool wait_inside(int n) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s, [&] { return inside >= n; });
  }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex);
    return calls;
  }
  Notifier notifier() {
    Notifier n;
    n.drop = [this](Ino i, std::uint64_t off, std::uint64_t len) {
      call("drop " + std::to_string(i.value) + " " + std::to_string(off) + " " +
           std::to_string(len));
      return 0;
    };
    n.void_attributes = [this](Ino i) { return call("void " + std::to_string(i.value)), 0; };
    n.raise_size = [this](Ino i, std::uint64_t s) {
      return call("raise " + std::to_string(i.value) + " " + std::to_string(s)), 0;
    };
    n.refresh_size = [this](Ino i) { return call("refresh " + std::to_string(i.value)), 0; };
    n.shown_ctime = [this](Ino) {
      const std::lock_guard lock(mutex);
      return ctime;
    };
    return n;
  }
};

dsm::Job job(std::uint64_t ticket, dsm::Job::Kind kind) {
  dsm::Job j;
  j.ticket = Ticket(ticket);
  j.ino = Ino(7);
  j.kind = kind;
  j.offset = 4096;
  j.size = 9000;
  return j;
}

// Waits for `n` tickets.
std::vector<std::uint64_t> collect(Invalidator& pool, std::size_t n) {
  std::vector<std::uint64_t> tickets;
  for (int tries = 0; tickets.size() < n && tries < 100; ++tries) {
    pollfd ready{pool.done_fd(), POLLIN, 0};
    ::poll(&ready, 1, 200);
    std::vector<dsm::JobDone> done;
    pool.take_done(done);
    for (const auto& d : done) tickets.push_back(d.ticket.value);
  }
  return tickets;
}

TEST(Invalidator, DoesEachKindInItsOrder) {
  FakeKernel kernel;
  Invalidator pool(kernel.notifier());
  using Kind = dsm::Job::Kind;
  const std::pair<Kind, std::vector<std::string>> kinds[] = {
      {Kind::drop, {"drop 7 4096 0"}},
      {Kind::void_attrs, {"void 7"}},
      {Kind::raise_size, {"raise 7 9000", "drop 7 4096 0"}},  // [Z8]
      {Kind::shrink, {"void 7", "drop 7 4096 0", "refresh 7"}},
  };
  std::uint64_t ticket = 0;
  for (const auto& [kind, calls] : kinds) {
    kernel.calls.clear();
    pool.post(job(++ticket, kind));
    EXPECT_EQ(collect(pool, 1), std::vector<std::uint64_t>{ticket});
    EXPECT_EQ(kernel.seen(), calls);
  }
}

// [F9] [B2]
TEST(Invalidator, GrowsOnlyWhileAllAreStuck) {
  FakeKernel kernel;
  Invalidator pool(kernel.notifier());
  const SystemClock clock;
  const std::size_t at_first = pool.threads();
  kernel.hold(true);
  for (std::uint64_t i = 1; i <= at_first + 2; ++i) pool.post(job(i, dsm::Job::Kind::drop));
  ASSERT_TRUE(kernel.wait_inside(int(at_first)));
  Time now = clock.now();
  pool.tend(now);
  EXPECT_EQ(pool.threads(), at_first) << "not before 5 ms";
  EXPECT_LE(pool.deadline(now), now + 5ms);
  pool.tend(now + 6ms);
  EXPECT_EQ(pool.threads(), at_first + 1);
  ASSERT_TRUE(kernel.wait_inside(int(at_first) + 1));
  pool.tend(now + 7ms);  // something moved
  pool.tend(now + 14ms);
  EXPECT_EQ(pool.threads(), at_first + 2);
  ASSERT_TRUE(kernel.wait_inside(int(at_first) + 2));
  kernel.hold(false);
  EXPECT_EQ(collect(pool, at_first + 2).size(), at_first + 2);
  EXPECT_EQ(pool.threads_max(), at_first + 2);
  for (int i = 0; i < 50 && pool.threads() > at_first; ++i) std::this_thread::sleep_for(100ms);
  EXPECT_EQ(pool.threads(), at_first) << "idle ones go";
}

// [Z9]
TEST(Invalidator, PushWaitsForTheCtimeOfASetattrAnswer) {
  FakeKernel kernel;
  kernel.ctime = WallTime{99};
  Invalidator pool(kernel.notifier());
  dsm::Job push = job(1, dsm::Job::Kind::raise_size);
  push.after_ctime = WallTime{100};
  pool.post(push);
  std::this_thread::sleep_for(30ms);
  EXPECT_TRUE(kernel.seen().empty());
  {
    const std::lock_guard lock(kernel.mutex);
    kernel.ctime = WallTime{100};
  }
  EXPECT_EQ(collect(pool, 1).size(), 1u);
  EXPECT_EQ(kernel.seen().size(), 2u);
}

// [Z9] a kernel that never shows it: pushed, and pushed again
TEST(Invalidator, PushesTwiceWhereTheCtimeIsNotSeen) {
  FakeKernel kernel;
  kernel.ctime = WallTime{99};
  Invalidator pool(kernel.notifier());
  dsm::Job push = job(1, dsm::Job::Kind::raise_size);
  push.after_ctime = WallTime{100};
  pool.post(push);
  EXPECT_EQ(collect(pool, 1).size(), 1u);
  EXPECT_EQ(kernel.seen().size(), 4u);
}

}  // namespace
}  // namespace dspm::fs
