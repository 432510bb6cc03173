#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "utils/pmem/write_queue.h"

namespace dspm::test {
namespace {

Bytes bytes(std::size_t size, int value) { return Bytes(size, std::byte(value)); }

TEST(WriteQueue, PiecesThatFollowEachOtherComeOutTogether) {
  WriteQueue queue;
  queue.put(100 * 1024, bytes(70 * 1024, 1));
  queue.put(0, bytes(70 * 1024, 2));
  queue.put(70 * 1024, bytes(30 * 1024, 3));
  queue.put(171 * 1024, bytes(10, 4));
  EXPECT_EQ(queue.bytes(), 170u * 1024 + 10);
  auto run = queue.take(100, 1 << 20);
  ASSERT_EQ(run.size(), 3u);
  EXPECT_EQ(run[0].offset, 0u);
  EXPECT_EQ(run[2].end(), 170u * 1024);
  run = queue.take(100, 1 << 20);
  ASSERT_EQ(run.size(), 1u);
  EXPECT_EQ(run[0].bytes, bytes(10, 4));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(WriteQueue, ARunEndsAtItsLimits) {
  WriteQueue queue;
  for (std::uint64_t i = 0; i < 10; ++i) queue.put(i * 65536, bytes(65536, int(i)));
  EXPECT_EQ(queue.take(3, 1 << 30).size(), 3u);
  EXPECT_EQ(queue.take(100, 65537).size(), 2u);
  EXPECT_EQ(queue.take(100, 1 << 30).size(), 5u);
}

TEST(WriteQueue, ManySmallAppendsAreFewPieces) {
  WriteQueue queue;
  for (std::uint64_t i = 0; i < 4096; ++i) queue.put(i * 64, bytes(64, int(i % 251)));
  const auto run = queue.take(1024, 1 << 30);
  EXPECT_LE(run.size(), 4096u * 64 / 65536);
  EXPECT_TRUE(queue.empty());
}

// Against a map of bytes: what is newest of each, however pieces cut each other.
TEST(WriteQueue, TheNewestOfEachByteWaitsOnce) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    WriteQueue queue;
    std::map<std::uint64_t, std::byte> model;
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t offset = random() % 200, length = random() % 60;
      const Bytes put = bytes(length, int(random() % 256));
      queue.put(offset, put);
      for (std::uint64_t at = 0; at < length; ++at) model[offset + at] = put[at];
      ASSERT_EQ(queue.bytes(), model.size());
    }
    const std::uint64_t from = random() % 200, length = random() % 100;
    std::vector<WritePiece> some;
    queue.collect(from, length, some);
    Bytes seen(length), expected(length);
    for (const WritePiece& piece : some) lay_over(piece, from, seen);
    for (const auto& [at, value] : model) {
      if (at >= from && at < from + length) expected[at - from] = value;
    }
    ASSERT_EQ(seen, expected);
    std::map<std::uint64_t, std::byte> taken;
    while (!queue.empty()) {
      for (const WritePiece& piece : queue.take(1 + random() % 4, 1 + random() % 64)) {
        for (std::uint64_t at = piece.offset; at < piece.end(); ++at) {
          ASSERT_TRUE(taken.emplace(at, piece.bytes[at - piece.offset]).second) << "twice";
        }
      }
    }
    ASSERT_EQ(taken, model);
  }
}

}  // namespace
}  // namespace dspm::test
