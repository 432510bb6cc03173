#include "commit/frames.h"

#include <gtest/gtest.h>

#include "commit/order.h"

namespace dspm::commit {
namespace {

constexpr Ino kIno{42};
Lsn at(std::uint64_t n) { return Lsn(Epoch(1), n); }
Change put(std::uint64_t offset, std::size_t n, char c) {
  Change change;
  change.ino = kIno;
  change.extents = {{offset, Bytes(n, std::byte(c))}};
  return change;
}
Change size(std::uint64_t n) {
  Change change;
  change.ino = kIno;
  change.set_size = n;
  return change;
}
// As the primary orders it, upon what is published.
Record ordered(const Frames& frames, Change change, Lsn lsn) {
  Ordered now{frames.header(kIno), frames.times(kIno), 0};
  return order(std::move(change), lsn, Generation(), now);
}
char byte(const Frames& frames, std::uint64_t offset) {
  return char(frames.page(kIno, page_of(offset)).bytes->data[offset % kPageSize]);
}

TEST(Frames, F1_WithoutAFrameZerosAtTheLastClearing) {
  Frames frames;
  EXPECT_EQ(frames.page(kIno, PageNo(3)).bytes, zero_page());
  Change grow = put(0, 1, 'a');
  grow.grow_to = 5 * kPageSize;
  frames.fold(ordered(frames, grow, at(1)));
  frames.fold(ordered(frames, size(10), at(2)));
  EXPECT_EQ(frames.page(kIno, PageNo(3)).version, at(2));
  EXPECT_EQ(frames.page(kIno, PageNo(3)).bytes, zero_page());
}

TEST(Frames, C3_ExtentsAreMergedByByteAndNameWhatTheyReplaced) {
  Frames frames;
  frames.fold(ordered(frames, put(0, 4, 'a'), at(1)));
  const Folded folded = frames.fold(ordered(frames, put(1, 2, 'b'), at(2)));
  EXPECT_EQ(byte(frames, 0), 'a');
  EXPECT_EQ(byte(frames, 1), 'b');
  EXPECT_EQ(byte(frames, 3), 'a');
  ASSERT_EQ(folded.pages.size(), 1u);
  EXPECT_EQ(folded.pages[0].replaced, at(1));
  EXPECT_FALSE(folded.pages[0].covered);
  EXPECT_TRUE(frames.fold(ordered(frames, put(0, kPageSize, 'c'), at(3))).pages[0].covered);
}

TEST(Frames, P5_APageThatSomebodyHoldsIsNotWritten) {
  Frames frames;
  frames.fold(ordered(frames, put(0, kPageSize, 'a'), at(1)));
  const PageRef held = frames.page(kIno, PageNo(0)).bytes;
  frames.fold(ordered(frames, put(0, 1, 'b'), at(2)));
  EXPECT_EQ(held->data[0], std::byte('a'));
  EXPECT_EQ(byte(frames, 0), 'b');
}

TEST(Frames, Z4_StoresNeverGrowAnObject) {
  Frames frames;
  frames.fold(ordered(frames, put(100, 5, 'a'), at(1)));
  EXPECT_EQ(frames.header(kIno).version, Version());
  EXPECT_EQ(frames.header(kIno).size, 0u);
}

TEST(Frames, D2_BytesAndGrowthThenTheNewSize) {
  Frames frames;
  Change change = put(0, 10, 'a');
  change.grow_to = 10;
  change.set_size = 4;
  const Record record = ordered(frames, change, at(1));
  frames.fold(record);
  EXPECT_EQ(frames.header(kIno).size, 4u);
  EXPECT_EQ(byte(frames, 3), 'a');
  EXPECT_EQ(byte(frames, 4), '\0');
  EXPECT_EQ(record.cut, 4u);
}

TEST(Frames, Z4_WhatWasCutDoesNotComeBackByGrowth) {
  Frames frames;
  Change grow = put(0, 2 * kPageSize, 'a');
  grow.grow_to = 2 * kPageSize;
  frames.fold(ordered(frames, grow, at(1)));
  frames.fold(ordered(frames, size(100), at(2)));
  frames.fold(ordered(frames, size(2 * kPageSize), at(3)));
  EXPECT_EQ(byte(frames, 99), 'a');
  EXPECT_EQ(byte(frames, 100), '\0');
  EXPECT_EQ(byte(frames, kPageSize), '\0');
}

TEST(Frames, Z1_Z5_TimesMoveNoHeaderAndNeverGoBack) {
  Frames frames;
  Change change = put(0, 1, 'a');
  change.touch = WallTime{1000};
  frames.fold(ordered(frames, change, at(1)));
  EXPECT_EQ(frames.header(kIno).version, Version());
  const Times first = frames.times(kIno);
  EXPECT_EQ(first.mtime, WallTime{1000});
  change.touch = WallTime{500};
  frames.fold(ordered(frames, change, at(2)));
  EXPECT_GT(frames.times(kIno).mtime, first.mtime);
  EXPECT_GT(frames.times(kIno).data_version, first.data_version);
  EXPECT_FALSE(frames.header(kIno).version);
}

TEST(Frames, Z5_ExplicitTimesReplace) {
  Frames frames;
  Change change = put(0, 1, 'a');
  change.touch = WallTime{1000};
  frames.fold(ordered(frames, change, at(1)));
  Change times;
  times.ino = kIno;
  times.times = ExplicitTimes{WallTime{1}, WallTime{2}, WallTime{3000}};
  frames.fold(ordered(frames, times, at(2)));
  EXPECT_EQ(frames.times(kIno).mtime, WallTime{2});
  EXPECT_EQ(frames.times(kIno).atime, WallTime{1});
  EXPECT_EQ(frames.times(kIno).ctime, WallTime{3000});
}

}  // namespace
}  // namespace dspm::commit
