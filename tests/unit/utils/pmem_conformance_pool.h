// What every implementation of the Pmem port must do, its second half: the pool, and pool and log
// beside each other. Over the same rigs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>

#include "tests/unit/utils/pmem_conformance.h"

namespace dspm::test {

template <class Rig>
class PmemPoolConformance : public PmemConformance<Rig> {};
TYPED_TEST_SUITE_P(PmemPoolConformance);

TYPED_TEST_P(PmemPoolConformance, ASyncCoversEveryWriteBeforeIt_P2) {
  for (std::uint64_t i = 0; i < 600; ++i) {
    this->pmem().write(i * 7919 % 4000 * 4096, pattern(4096, i));
  }
  const std::uint64_t number = this->pmem().sync();
  this->pmem().write(4001 * 4096, pattern(4096, 9999));  // and waits for none after it
  ASSERT_TRUE(this->synced(number));
  this->rig.reopen();
  for (std::uint64_t i = 0; i < 600; ++i) {
    ASSERT_EQ(this->read(PmemRegion::pool, i * 7919 % 4000 * 4096, 4096), pattern(4096, i)) << i;
  }
}

TYPED_TEST_P(PmemPoolConformance, ReadsSeeTheNewestOfWritesThatOverlap_P3) {
  std::mt19937_64 random(5);
  Bytes pool(256 * 1024), log(64 * 1024);
  std::uint64_t fence = 0, sync = 0;
  for (int i = 0; i < 1500; ++i) {
    const bool to_pool = random() % 2 == 0;
    Bytes& model = to_pool ? pool : log;
    const std::size_t offset = random() % model.size();
    const std::size_t length = random() % std::min<std::size_t>(model.size() - offset + 1, 9000);
    const Bytes bytes = pattern(length, random());
    std::ranges::copy(bytes, model.begin() + std::ptrdiff_t(offset));
    to_pool ? this->pmem().write(offset, bytes) : this->pmem().append(offset, bytes);
    if (random() % 16 == 0) fence = this->pmem().fence();
    if (random() % 64 == 0) sync = this->pmem().sync();
    if (random() % 128 == 0) {
      ASSERT_TRUE(this->synced(sync));
    }
    if (random() % 32 != 0) continue;
    ASSERT_EQ(this->read(PmemRegion::pool, 0, pool.size()), pool) << i;
    ASSERT_EQ(this->read(PmemRegion::log, 0, log.size()), log) << i;
  }
  fence = this->pmem().fence();
  sync = this->pmem().sync();
  ASSERT_TRUE(this->fenced(fence) && this->synced(sync));
  this->rig.reopen();
  EXPECT_EQ(this->read(PmemRegion::pool, 0, pool.size()), pool);
  EXPECT_EQ(this->read(PmemRegion::log, 0, log.size()), log);
}

TYPED_TEST_P(PmemPoolConformance, LargeTransfers) {
  const Bytes record = pattern(8 << 20, 6), frames = pattern(8 << 20, 7);
  this->pmem().append(4096, record);
  this->pmem().write(8192, frames);
  const std::uint64_t fence = this->pmem().fence(), sync = this->pmem().sync();
  ASSERT_TRUE(this->fenced(fence) && this->synced(sync));
  this->rig.reopen();
  EXPECT_EQ(this->read(PmemRegion::log, 4096, record.size()), record);
  EXPECT_EQ(this->read(PmemRegion::pool, 8192, frames.size()), frames);
}

TYPED_TEST_P(PmemPoolConformance, TheBacklogIsWhatWaitsForTheFlusher) {
  const bool file = this->pmem().kind() == PmemKind::file;
  EXPECT_EQ(this->pmem().backlog(), 0u);
  this->pmem().write(0, pattern(100, 1));
  EXPECT_LE(this->pmem().backlog(), file ? 100u : 0u);
  this->pmem().write(50, pattern(100, 2));
  EXPECT_LE(this->pmem().backlog(), file ? 200u : 0u);
  ASSERT_TRUE(this->synced(this->pmem().sync()));
  EXPECT_EQ(this->pmem().backlog(), 0u);
}

TYPED_TEST_P(PmemPoolConformance, SettledIsDurableWithoutAFenceOrSync_E5) {
  this->pmem().append(10, pattern(5000, 1));
  this->pmem().write(20, pattern(9000, 2));
  ASSERT_TRUE(this->pmem().settle());
  EXPECT_EQ(this->pmem().backlog(), 0u);
  this->rig.reopen();
  ASSERT_TRUE(this->pmem().settle());
  EXPECT_EQ(this->read(PmemRegion::log, 10, 5000), pattern(5000, 1));
  EXPECT_EQ(this->read(PmemRegion::pool, 20, 9000), pattern(9000, 2));
}

TYPED_TEST_P(PmemPoolConformance, MemoryIsThePoolOrNull_P2) {
  std::byte* memory = this->pmem().memory();
  ASSERT_EQ(memory == nullptr, this->pmem().kind() == PmemKind::file);
  if (memory == nullptr) return;
  const Bytes bytes = pattern(300, 3);
  std::ranges::copy(bytes, memory + 12345);
  this->pmem().flush(12345, bytes.size());
  ASSERT_TRUE(this->synced(this->pmem().sync()));
  EXPECT_EQ(this->read(PmemRegion::pool, 12345, 300), bytes);
  this->pmem().write(12345, pattern(300, 4));
  EXPECT_TRUE(std::ranges::equal(pattern(300, 4), std::span(memory + 12345, 300)));
  this->rig.reopen();
  EXPECT_EQ(this->read(PmemRegion::pool, 12345, 300), pattern(300, 4));
}

TYPED_TEST_P(PmemPoolConformance, SpaceIsSecuredAndWhatIsThereStays_P10) {
  this->pmem().write(4096, pattern(4096, 1));
  ASSERT_TRUE(this->synced(this->pmem().sync()));
  ASSERT_TRUE(this->pmem().secure(1 << 20));
  ASSERT_TRUE(this->pmem().secure(kPmemSize));
  ASSERT_TRUE(this->pmem().secure(1 << 20));
  EXPECT_EQ(this->read(PmemRegion::pool, 4096, 4096), pattern(4096, 1));
}

REGISTER_TYPED_TEST_SUITE_P(PmemPoolConformance, ASyncCoversEveryWriteBeforeIt_P2,
                            ReadsSeeTheNewestOfWritesThatOverlap_P3, LargeTransfers,
                            TheBacklogIsWhatWaitsForTheFlusher,
                            SettledIsDurableWithoutAFenceOrSync_E5, MemoryIsThePoolOrNull_P2,
                            SpaceIsSecuredAndWhatIsThereStays_P10);

}  // namespace dspm::test
