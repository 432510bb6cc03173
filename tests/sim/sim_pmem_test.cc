// Simulated persistent memory: the conformance suite of the Pmem port, and what only it does: lose
// power, rot, fail on demand.
#include "tests/sim/sim_pmem.h"

#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>
#include <utility>

#include "tests/sim/scheduler.h"
#include "tests/unit/utils/pmem_conformance.h"
#include "tests/unit/utils/pmem_conformance_pool.h"

namespace dspm::test {
namespace {

using sim::Keep;
using sim::SimMedia;

constexpr auto kMemory = PmemKind::byte_addressable;
constexpr auto kFile = PmemKind::file;

// One node's memory with a clock of its own.
struct Node {
  explicit Node(PmemKind kind, std::uint64_t size = 64 * 1024, std::uint64_t seed = 1)
      : scheduler(seed), media(kind, size, size) {
    options.schedule = [this](Duration d, std::function<void()> f) {
      scheduler.after(d, std::move(f));
    };
    options.seed = seed;
  }
  Pmem& start() {
    open.reset();
    auto opened = sim::open_sim_pmem(media, options);
    DSPM_CHECK(opened, opened.error().what);
    open = *std::move(opened);
    return *open;
  }
  bool run_until(const std::function<bool()>& done) {
    while (!done()) {
      if (!scheduler.step()) return done();
    }
    return true;
  }
  void fence() {
    const std::uint64_t number = open->fence();
    EXPECT_TRUE(run_until([&] { return open->poll(), open->fences_done() >= number; }));
  }
  void sync() {
    const std::uint64_t number = open->sync();
    EXPECT_TRUE(run_until([&] { return open->poll(), open->syncs_done() >= number; }));
  }
  void kill() { open.reset(); }

  sim::Scheduler scheduler;
  SimMedia media;
  sim::SimPmemOptions options;
  std::unique_ptr<Pmem> open;
};

template <PmemKind kind>
struct SimRig : Node {
  static constexpr PmemKind kKind = kind;
  SimRig() : Node(kind, kPmemSize) { start(); }
  Pmem& pmem() { return *open; }
  void reopen() { start(); }
  Error open_second() {
    const auto second = sim::open_sim_pmem(media, options);
    return second ? Error{} : second.error();
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(SimFile, PmemConformance, SimRig<kFile>);
INSTANTIATE_TYPED_TEST_SUITE_P(SimFile, PmemPoolConformance, SimRig<kFile>);
INSTANTIATE_TYPED_TEST_SUITE_P(SimMemory, PmemConformance, SimRig<kMemory>);
INSTANTIATE_TYPED_TEST_SUITE_P(SimMemory, PmemPoolConformance, SimRig<kMemory>);

Bytes part(ByteSpan bytes, std::size_t offset, std::size_t length) {
  const ByteSpan b = bytes.subspan(offset, length);
  return {b.begin(), b.end()};
}
Bytes repeat(std::size_t size, int value) { return Bytes(size, std::byte(value)); }
Bytes log_of(const SimMedia& media, std::size_t offset, std::size_t length) {
  return part(media.region(PmemRegion::log).bytes(), offset, length);
}
Bytes pool_of(const SimMedia& media, std::size_t offset, std::size_t length) {
  return part(media.region(PmemRegion::pool).bytes(), offset, length);
}
// The images that many power failures make of `media`, cut to what `look` returns.
template <class Look>
std::set<Bytes> outcomes(const SimMedia& media, Look look) {
  std::set<Bytes> seen;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SimMedia copy = media;
    copy.lose_power(Keep::random, seed);
    seen.insert(look(copy));
  }
  return seen;
}

TEST(SimPmem, WhatIsNotFencedMayBeLostWhatIsFencedMayNot) {
  for (const PmemKind kind : {kMemory, kFile}) {
    Node node(kind);
    node.start().append(0, repeat(512, 1));
    node.fence();
    node.open->append(512, repeat(512, 2));
    node.open->write(0, repeat(512, 3));
    node.sync();
    node.open->write(512, repeat(512, 4));
    node.kill();
    SimMedia none = node.media;
    none.lose_power(Keep::nothing, 1);
    EXPECT_EQ(log_of(none, 0, 512), repeat(512, 1));
    EXPECT_EQ(log_of(none, 512, 512), Bytes(512));
    EXPECT_EQ(pool_of(none, 0, 512), repeat(512, 3));
    EXPECT_EQ(pool_of(none, 512, 512), Bytes(512));
    SimMedia all = node.media;
    all.lose_power(Keep::everything, 1);
    EXPECT_EQ(log_of(all, 0, 1024), log_of(node.media, 0, 1024));
    EXPECT_EQ(pool_of(all, 0, 1024), pool_of(node.media, 0, 1024));
  }
}

TEST(SimPmem, AFenceSaysNothingOfThePoolNorASyncOfTheLog) {
  for (const PmemKind kind : {kMemory, kFile}) {
    Node node(kind);
    node.start().append(0, repeat(64, 1));
    node.open->write(0, repeat(64, 2));
    node.fence();
    node.kill();
    SimMedia none = node.media;
    none.lose_power(Keep::nothing, 1);
    EXPECT_EQ(pool_of(none, 0, 64), Bytes(64));
    node.start().append(64, repeat(64, 3));
    node.open->write(64, repeat(64, 4));
    node.sync();
    node.kill();
    node.media.lose_power(Keep::nothing, 1);
    EXPECT_EQ(log_of(node.media, 64, 64), Bytes(64));
    EXPECT_EQ(pool_of(node.media, 64, 64), repeat(64, 4));
  }
}

TEST(SimPmem, AnySubsetOfTheWordsOfAnUnfencedAppendSurvives) {
  Node node(kMemory);
  node.start().append(64, repeat(24, 7));
  node.kill();
  EXPECT_EQ(outcomes(node.media, [](const SimMedia& m) { return log_of(m, 64, 24); }).size(), 8u);
  node.start().append(64, repeat(8, 8));
  node.kill();
  const auto seen = outcomes(node.media, [](const SimMedia& m) { return log_of(m, 64, 8); });
  EXPECT_EQ(seen, (std::set<Bytes>{repeat(8, 0), repeat(8, 7), repeat(8, 8)}));
}

TEST(SimPmem, NothingButAFenceOrdersAppends) {
  Node node(kMemory);
  node.start().append(64, repeat(8, 1));
  node.open->append(72, repeat(8, 2));
  node.kill();
  EXPECT_EQ(outcomes(node.media, [](const SimMedia& m) { return log_of(m, 64, 16); }).size(), 4u);
}

TEST(SimPmem, OfALineOfThePoolABeginningOfItsFlushedStoresSurvives) {
  Node node(kMemory);
  Pmem& pmem = node.start();
  for (int i = 1; i <= 3; ++i) {
    pmem.memory()[8 * i] = std::byte(i);
    pmem.flush(std::uint64_t(8 * i), 1);
  }
  node.kill();
  const auto seen = outcomes(node.media, [](const SimMedia& m) {
    return Bytes{pool_of(m, 8, 1)[0], pool_of(m, 16, 1)[0], pool_of(m, 24, 1)[0]};
  });
  const auto b = [](int x, int y, int z) {
    return Bytes{std::byte(x), std::byte(y), std::byte(z)};
  };
  EXPECT_EQ(seen, (std::set<Bytes>{b(0, 0, 0), b(1, 0, 0), b(1, 2, 0), b(1, 2, 3)}));
}

TEST(SimPmem, StoresThatNobodyFlushedMaySurviveInAnyOrder) {
  Node node(kMemory);
  Pmem& pmem = node.start();
  for (int i = 1; i <= 3; ++i) pmem.memory()[8 * i] = std::byte(i);
  pmem.sync();  // covers flushed ranges only
  node.kill();
  EXPECT_EQ(outcomes(node.media, [](const SimMedia& m) { return pool_of(m, 8, 24); }).size(), 8u);
}

TEST(SimPmem, AStoreAfterItsLinesFlushIsNotCoveredByTheSync) {
  Node node(kMemory);
  Pmem& pmem = node.start();
  pmem.memory()[0] = std::byte(1);
  pmem.flush(0, 8);
  pmem.memory()[0] = std::byte(2);
  pmem.sync();
  node.kill();
  const auto seen = outcomes(node.media, [](const SimMedia& m) { return pool_of(m, 0, 1); });
  EXPECT_EQ(seen, (std::set<Bytes>{repeat(1, 1), repeat(1, 2)}));
}

TEST(SimPmem, OfAFileEverySectorKeepsAnyVersionSinceTheLastSync) {
  Node node(kFile);
  node.start();
  for (int i = 1; i <= 3; ++i) {
    node.open->write(0, repeat(1024, i));
    ASSERT_TRUE(node.open->settle());  // as durable; then again without
  }
  for (int i = 4; i <= 5; ++i) node.media.region(PmemRegion::pool).store(0, repeat(1024, i));
  node.kill();
  const auto seen = outcomes(node.media, [](const SimMedia& m) {
    const Bytes both = pool_of(m, 0, 1024);
    EXPECT_EQ(Bytes(both.begin(), both.begin() + 512), repeat(512, int(both[0]))) << "torn";
    return Bytes{both[0], both[512]};
  });
  EXPECT_EQ(seen.size(), 9u);
  for (const Bytes& s : seen) EXPECT_TRUE(int(s[0]) >= 3 && int(s[1]) >= 3);
}

TEST(SimPmem, AWriteInFlightIsTornByKill) {
  std::set<std::size_t> lengths;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Node node(kFile, 64 * 1024, seed);
    node.start().append(0, repeat(4096, 1));
    node.open->fence();
    for (std::uint64_t i = 0; i < seed % 4; ++i) node.scheduler.step();
    node.kill();
    const Bytes left = log_of(node.media, 0, 4096);
    const auto zero = std::ranges::find(left, std::byte{});
    EXPECT_TRUE(std::all_of(zero, left.end(), [](std::byte b) { return b == std::byte{}; }));
    lengths.insert(std::size_t(zero - left.begin()));
    while (node.scheduler.step()) {
    }
    EXPECT_EQ(log_of(node.media, 0, 4096), left) << "a dead process writes";
  }
  EXPECT_GT(lengths.size(), 5u);
  EXPECT_TRUE(lengths.contains(0) && lengths.contains(4096));
}

// [E5] What a killed process has left is there, but only settle() makes it so for good.
TEST(SimPmem, AfterAKillOnlySettlingMakesDurable_E5) {
  for (const PmemKind kind : {kMemory, kFile}) {
    Node node(kind);
    node.start().append(0, repeat(64, 1));
    if (kind == kMemory) {
      node.open->memory()[5] = std::byte(9);
    } else {
      node.open->fence();
      node.scheduler.step();
      node.scheduler.step();
    }
    Pmem& again = node.start();
    Bytes seen(64);
    ASSERT_TRUE(again.read(PmemRegion::log, 0, seen));
    EXPECT_EQ(seen, repeat(64, 1));
    SimMedia lost = node.media;
    lost.lose_power(Keep::nothing, 1);
    EXPECT_EQ(log_of(lost, 0, 64), Bytes(64));
    ASSERT_TRUE(again.settle());
    node.kill();
    node.media.lose_power(Keep::nothing, 1);
    EXPECT_EQ(log_of(node.media, 0, 64), repeat(64, 1));
    if (kind == kMemory) {
      EXPECT_EQ(pool_of(node.media, 5, 1), repeat(1, 9));
    }
  }
}

// At every crash point: what was said to be durable is, in a copy, whatever is kept.
TEST(SimPmem, EveryCrashPointCanBeVisited) {
  for (const PmemKind kind : {kMemory, kFile}) {
    std::set<std::string> steps;
    std::uint64_t points = 0, done = 0;
    Node node(kind);
    node.options.before = [&](std::uint64_t point, const char* step) {
      EXPECT_EQ(point, ++points);
      steps.insert(step);
      SimMedia copy = node.media;
      node.open->poll();
      done = std::min<std::uint64_t>(node.open->fences_done(), 5);  // the last fenced nothing
      copy.lose_power(Keep::random, point);
      EXPECT_TRUE(log_of(copy, 0, done * 100) == repeat(done * 100, 1))
          << "kind " << int(kind) << ' ' << step << ", fences done: " << done;
    };
    node.start();
    for (std::uint64_t i = 0; i < 5; ++i) {
      node.open->append(i * 100, repeat(100, 1));
      node.open->fence();
      node.open->write(i * 100, repeat(100, 2));
      node.scheduler.step();
    }
    node.fence();
    node.sync();
    EXPECT_EQ(steps, kind == kMemory ? (std::set<std::string>{"append", "fence", "flush", "sync"})
                                     : (std::set<std::string>{"write", "written", "synced"}));
    EXPECT_GE(points, 10u);
  }
}

TEST(SimPmem, AThrowBeforeAStepUndoesIt) {
  for (const PmemKind kind : {kMemory, kFile}) {
    Node node(kind);
    node.options.before = [](std::uint64_t, const char*) { throw std::runtime_error("crash"); };
    Pmem& pmem = node.start();
    EXPECT_THROW(
        {
          pmem.append(0, repeat(64, 1));
          node.fence();
        },
        std::runtime_error);
    node.kill();
    EXPECT_EQ(log_of(node.media, 0, 64), Bytes(64));
  }
}

TEST(SimPmem, TheFirstFailureIsForGood) {
  for (const Status failure : {Status::io_error, Status::no_space}) {
    for (std::uint64_t nth = 1; nth <= 4; ++nth) {
      Node node(kFile);
      node.options.failing_write = nth;
      node.options.failure = failure;
      node.start();
      for (std::uint64_t i = 0; i < 6; ++i) {
        node.open->append(i * 64, repeat(64, 1));
        node.open->fence();
        while (node.scheduler.step()) {
        }
        node.open->poll();
        EXPECT_EQ(node.open->fences_done(), std::min(i + 1, nth - 1));
        EXPECT_EQ(node.open->health().status(), i + 1 < nth ? Status::ok : failure);
      }
      EXPECT_EQ(node.open->settle().status(), failure);
      Bytes out(64);
      EXPECT_EQ(node.open->read(PmemRegion::log, 0, out).status(), failure);
      node.open->sync();
      while (node.scheduler.step()) {
      }
      node.open->poll();
      EXPECT_EQ(node.open->syncs_done(), 0u);
    }
  }
}

TEST(SimPmem, ASparsePoolHasOnlyTheSpaceThatWasSecured_P10) {
  for (const PmemKind kind : {kMemory, kFile}) {
    Node node(kind);
    node.media.make_sparse(4096, 16384);
    Pmem& pmem = node.start();
    pmem.write(0, repeat(4096, 1));
    EXPECT_DEATH(pmem.write(4000, repeat(100, 1)), "without space");
    EXPECT_EQ(pmem.secure(20480).status(), Status::no_space);
    ASSERT_TRUE(pmem.secure(16384));
    pmem.write(16000, repeat(384, 1));
    EXPECT_DEATH(pmem.write(16000, repeat(385, 1)), "without space");
  }
}

TEST(SimPmem, ABitThatRotsIsReadAndStays) {
  Node node(kFile);
  node.start().append(100, repeat(8, 1));
  node.fence();
  node.media.region(PmemRegion::log).flip_bit(103, 4);
  node.kill();
  node.media.lose_power(Keep::nothing, 1);
  Bytes expected = repeat(8, 1);
  expected[3] = std::byte(0x11);
  EXPECT_EQ(log_of(node.media, 100, 8), expected);
}

TEST(SimPmem, OneSeedIsOneBehaviour) {
  const auto run = [](std::uint64_t seed) {
    Node node(kFile, 64 * 1024, seed);
    Bytes story;
    node.options.before = [&](std::uint64_t, const char* step) {
      story.push_back(std::byte(step[0]));
      const auto now = std::uint64_t(node.scheduler.now().time_since_epoch().count());
      for (int i = 0; i < 8; ++i) story.push_back(std::byte(now >> (8 * i)));
    };
    node.start();
    for (std::uint64_t i = 0; i < 20; ++i) {
      node.open->append(i * 700, pattern(700, i));
      node.open->write(i * 900, pattern(900, i));
      if (i % 3 == 0) node.open->fence();
      if (i % 5 == 0) node.open->sync();
      node.scheduler.step();
    }
    node.kill();
    node.media.lose_power(Keep::random, seed);
    const ByteSpan log = node.media.region(PmemRegion::log).bytes();
    story.insert(story.end(), log.begin(), log.end());
    return story;
  };
  EXPECT_EQ(run(3), run(3));
  EXPECT_NE(run(3), run(4));
}

}  // namespace
}  // namespace dspm::test
