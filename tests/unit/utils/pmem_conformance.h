// What every implementation of the Pmem port must do; tests of a rule name it: [P2]. A Rig is one
// node's memory, made anew, regions of kPmemSize bytes each:
//   explicit Rig(); static constexpr PmemKind kKind;
//   Pmem& pmem();
//   void reopen();                         kill -9, then open again
//   bool run_until(std::function<bool()>); false: not within ten seconds
//   Error open_second();                   what somebody else's opening says meanwhile
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "utils/base/bytes.h"
#include "utils/pmem/pmem.h"

namespace dspm::test {

inline constexpr std::uint64_t kPmemSize = std::uint64_t{16} << 20;

inline Bytes pattern(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes out(size);
  for (std::byte& b : out) b = std::byte(random());
  return out;
}

template <class Rig>
class PmemConformance : public ::testing::Test {
 protected:
  Pmem& pmem() { return rig.pmem(); }
  bool fenced(std::uint64_t number) {
    return rig.run_until([&] {
      pmem().poll();
      return pmem().fences_done() >= number;
    });
  }
  bool synced(std::uint64_t number) {
    return rig.run_until([&] {
      pmem().poll();
      return pmem().syncs_done() >= number;
    });
  }
  Bytes read(PmemRegion region, std::uint64_t offset, std::size_t length) {
    Bytes out(length);
    const Outcome done = pmem().read(region, offset, out);
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
    return out;
  }

  Rig rig;
};
TYPED_TEST_SUITE_P(PmemConformance);

TYPED_TEST_P(PmemConformance, ANewOneIsZerosOfTheAskedSizes) {
  for (const PmemRegion region : {PmemRegion::pool, PmemRegion::log}) {
    EXPECT_EQ(this->pmem().size(region), kPmemSize);
    EXPECT_EQ(this->read(region, 0, 5000), Bytes(5000));
    EXPECT_EQ(this->read(region, kPmemSize - 5000, 5000), Bytes(5000));
  }
  EXPECT_EQ(this->pmem().kind(), TypeParam::kKind);
  EXPECT_TRUE(this->pmem().health());
}

TYPED_TEST_P(PmemConformance, WhatWasAppendedIsReadBackBeforeAndAfterItsFence) {
  const Bytes bytes = pattern(3000, 1);
  this->pmem().append(777, bytes);
  EXPECT_EQ(this->read(PmemRegion::log, 777, 3000), bytes);
  EXPECT_EQ(this->read(PmemRegion::log, 776, 1), Bytes(1));
  ASSERT_TRUE(this->fenced(this->pmem().fence()));
  EXPECT_EQ(this->read(PmemRegion::log, 777, 3000), bytes);
  this->rig.reopen();
  EXPECT_EQ(this->read(PmemRegion::log, 777, 3000), bytes);
  EXPECT_EQ(this->read(PmemRegion::log, 3777, 1), Bytes(1));
}

TYPED_TEST_P(PmemConformance, FencesJoinAndAreDoneInOrder_P2) {
  const Bytes all = pattern(200 * 300, 2);
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    this->pmem().append(i * 300, ByteSpan(all).subspan(i * 300, 300));
    const std::uint64_t number = this->pmem().fence();
    EXPECT_GT(number, last);
    last = number;
    const std::uint64_t done = this->pmem().fences_done();
    this->pmem().poll();
    EXPECT_GE(this->pmem().fences_done(), done);
    EXPECT_LE(this->pmem().fences_done(), last);
  }
  ASSERT_TRUE(this->fenced(last));
  EXPECT_EQ(this->pmem().fences_done(), last);
  this->rig.reopen();
  EXPECT_EQ(this->read(PmemRegion::log, 0, all.size()), all);
}

TYPED_TEST_P(PmemConformance, AFenceOfNothingIsDoneToo) {
  const std::uint64_t first = this->pmem().fence();
  ASSERT_TRUE(this->fenced(first));
  const std::uint64_t second = this->pmem().fence();
  EXPECT_GT(second, first);
  EXPECT_TRUE(this->fenced(second));
  EXPECT_TRUE(this->synced(this->pmem().sync()));
}

TYPED_TEST_P(PmemConformance, TheLastAppendOfAPlaceWins) {
  for (std::uint64_t round = 0; round < 50; ++round) {  // as anchors, at both ends of the log
    this->pmem().append(4096 * (round % 2), pattern(64, round));
    this->pmem().append(kPmemSize - 64, pattern(64, 100 + round));
    if (round % 7 == 0) this->pmem().fence();
  }
  ASSERT_TRUE(this->fenced(this->pmem().fence()));
  this->rig.reopen();
  EXPECT_EQ(this->read(PmemRegion::log, 0, 64), pattern(64, 48));
  EXPECT_EQ(this->read(PmemRegion::log, 4096, 64), pattern(64, 49));
  EXPECT_EQ(this->read(PmemRegion::log, kPmemSize - 64, 64), pattern(64, 149));
}

TYPED_TEST_P(PmemConformance, ProgressIsToldWhereItIsNotInline_P3) {
  std::atomic<int> calls = 0;
  this->pmem().on_progress([&] { ++calls; });
  this->pmem().append(0, pattern(64, 1));
  const std::uint64_t fence = this->pmem().fence();
  if (this->pmem().kind() == PmemKind::byte_addressable) {
    EXPECT_EQ(this->pmem().fences_done(), fence);
    const std::uint64_t sync = this->pmem().sync();
    EXPECT_EQ(this->pmem().syncs_done(), sync);
    return;
  }
  EXPECT_LT(this->pmem().fences_done(), fence) << "told before poll()";
  ASSERT_TRUE(this->rig.run_until([&] { return calls > 0; }));
  ASSERT_TRUE(this->fenced(fence));
  const int before = calls;
  const std::uint64_t sync = this->pmem().sync();
  ASSERT_TRUE(this->rig.run_until([&] { return calls > before; }));
  EXPECT_TRUE(this->synced(sync));
}

TYPED_TEST_P(PmemConformance, ASecondOpenerIsRefusedUntilTheFirstIsGone) {
  const Error refused = this->rig.open_second();
  EXPECT_EQ(refused.status, Status::busy);
  EXPECT_NE(refused.what.find("in use"), std::string::npos) << refused.what;
  this->pmem().append(0, pattern(64, 1));  // the first does not mind
  EXPECT_TRUE(this->fenced(this->pmem().fence()));
  this->rig.reopen();
  EXPECT_EQ(this->read(PmemRegion::log, 0, 64), pattern(64, 1));
}

TYPED_TEST_P(PmemConformance, OutOfRangeIsTheCallersBug) {
  Bytes bytes(16);
  EXPECT_DEATH(this->pmem().append(kPmemSize - 15, bytes), "offset");
  EXPECT_DEATH(this->pmem().write(~std::uint64_t{0} - 3, bytes), "offset");
  EXPECT_DEATH((void)this->pmem().read(PmemRegion::log, kPmemSize + 1, {}), "offset");
}

REGISTER_TYPED_TEST_SUITE_P(PmemConformance, ANewOneIsZerosOfTheAskedSizes,
                            WhatWasAppendedIsReadBackBeforeAndAfterItsFence,
                            FencesJoinAndAreDoneInOrder_P2, AFenceOfNothingIsDoneToo,
                            TheLastAppendOfAPlaceWins, ProgressIsToldWhereItIsNotInline_P3,
                            ASecondOpenerIsRefusedUntilTheFirstIsGone, OutOfRangeIsTheCallersBug);

}  // namespace dspm::test
