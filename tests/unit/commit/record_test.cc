#include "commit/record.h"

#include <gtest/gtest.h>

#include "commit/frames.h"
#include "commit/order.h"
#include "utils/base/limits.h"

namespace dspm::commit {
namespace {

constexpr Ino kIno{42};
Lsn at(std::uint64_t n) { return Lsn(Epoch(2), n); }

Record a_write() {
  Record record;
  record.lsn = at(8);
  record.previous = at(7);
  record.id = {NodeId(3), Incarnation(77), 12};
  record.attempt = 2;
  record.done_below = 10;
  record.ino = kIno;
  record.extents = {{5, Bytes(3, std::byte('x'))}, {9000, Bytes(1, std::byte('y'))}};
  record.cut = 100;
  record.header = {at(8), 100, Generation(4), {{Generation(4), 100}}};
  record.times.mtime = WallTime{123};
  record.times.data_version = 9;
  return record;
}

TEST(Record, P8_ComesBackFromItsBytes) {
  const Bytes bytes = encode(a_write());
  const auto back = decode_record(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), bytes);
  EXPECT_EQ(back->extents[1].offset, 9000u);
  EXPECT_EQ(back->header, a_write().header);
  EXPECT_EQ(back->cut, 100u);
}

TEST(Record, P8_AViewSaysItsPlaceOnly) {
  Record view;
  view.kind = RecordKind::view;
  view.lsn = Lsn(Epoch(3), 9);
  view.previous = at(8);
  const auto back = decode_record(encode(view));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->lsn, view.lsn);
  EXPECT_EQ(back->kind, RecordKind::view);
}

TEST(Record, P8_TruncatedOrTrailingBytesAreNoRecord) {
  Bytes bytes = encode(a_write());
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode_record(ByteSpan(bytes).first(n))) << n;
  bytes.push_back(std::byte(0));
  EXPECT_EQ(decode_record(bytes).status(), Status::corrupt);
}

TEST(Record, P6_ItsPlaceFollowsTheOneBefore) {
  Record gap = a_write();
  gap.previous = at(6);
  EXPECT_FALSE(decode_record(encode(gap)));
  Record older = a_write();
  older.lsn = Lsn(Epoch(1), 8);
  EXPECT_FALSE(decode_record(encode(older))) << "an epoch that falls";
}

// [P9] Recovery begins at some earlier record, whatever the frames already have.
TEST(Record, P9_ReplayedFromAnyPlaceTheStateIsTheSame) {
  Frames frames;
  std::vector<Record> log;
  const auto commit = [&](Change change) {
    Ordered now{frames.header(kIno), frames.times(kIno), 0};
    change.ino = kIno;
    change.generation = now.header.generation;
    log.push_back(order(std::move(change), at(log.size() + 1), Generation(), now));
    frames.fold(log.back());
  };
  Change grow;
  grow.extents = {{0, Bytes(3 * kPageSize, std::byte('a'))}};
  grow.grow_to = 3 * kPageSize;
  grow.touch = WallTime{5};
  commit(grow);
  Change cut;
  cut.set_size = 10;
  commit(cut);
  Change again = grow;
  again.extents[0].bytes.resize(2 * kPageSize);
  again.grow_to = 2 * kPageSize;
  commit(again);
  const Header header = frames.header(kIno);
  EXPECT_EQ(header.generation, Generation(1));
  for (std::size_t from = 0; from < log.size(); ++from) {
    for (std::size_t i = from; i < log.size(); ++i) frames.fold(log[i]);
    EXPECT_EQ(frames.header(kIno), header) << from;
    EXPECT_EQ(frames.times(kIno).data_version, 3u);
    EXPECT_EQ(frames.times(kIno).blocks, 2u);
    EXPECT_EQ(frames.page(kIno, PageNo(1)).bytes->data[5], std::byte('a'));
    EXPECT_EQ(frames.page(kIno, PageNo(2)).bytes, zero_page());
  }
}

TEST(Order, Z1_CutsThatEverybodyLearntAreForgottenAndTheRestBounded) {
  Ordered now;
  const auto cycle = [&](std::uint64_t size, Generation learnt) {
    Change grow;
    grow.ino = kIno;
    grow.grow_to = size + 10;
    order(std::move(grow), at(1), learnt, now);
    Change cut;
    cut.ino = kIno;
    cut.set_size = size;
    order(std::move(cut), at(2), learnt, now);
  };
  for (std::uint64_t n = 1; n <= 1000; ++n) cycle(100 * n, now.header.generation);
  EXPECT_LE(now.header.cuts.size(), kCutsKept + 1);
  EXPECT_EQ(now.header.cuts.back().size, 100'000u);
  for (std::uint64_t n = 1001; n <= 3000; ++n) cycle(100 * n, Generation());
  EXPECT_LE(now.header.cuts.size(), kMaxCuts);
  Record record = a_write();
  record.header = now.header;
  EXPECT_TRUE(decode_record(encode(record))) << "what is ordered can be read again";
}

}  // namespace
}  // namespace dspm::commit
