#include "utils/base/bytes.h"

#include <gtest/gtest.h>

#include "utils/base/ids.h"

namespace dspm {
namespace {

TEST(Bytes, WhatIsWrittenIsRead) {
  Writer out;
  out.put(std::uint8_t{1});
  out.put(std::uint16_t{0x0203});
  out.put(std::int64_t{-4});
  out.put(NodeId(5));
  out.put(Lsn(Epoch(6), 7));
  out.text("eight");
  Reader in(out.bytes());
  EXPECT_EQ(in.get<std::uint8_t>(), 1);
  EXPECT_EQ(in.get<std::uint16_t>(), 0x0203);
  EXPECT_EQ(in.get<std::int64_t>(), -4);
  EXPECT_EQ(in.get<NodeId>(), NodeId(5));
  EXPECT_EQ(in.get<Lsn>(), Lsn(Epoch(6), 7));
  EXPECT_EQ(in.text(5), "eight");
  EXPECT_TRUE(in.finished());
}

TEST(Bytes, IsLittleEndian) {
  Writer out;
  out.put(std::uint32_t{0x01020304});
  EXPECT_EQ(out.bytes(), (Bytes{std::byte{4}, std::byte{3}, std::byte{2}, std::byte{1}}));
}

TEST(Bytes, AShortReadFailsForGoodAndGivesZero) {
  const Bytes three(3, std::byte{0xFF});
  Reader in(three);
  EXPECT_EQ(in.get<std::uint32_t>(), 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.get<std::uint8_t>(), 0) << "bytes were left, but the reader has failed";
  EXPECT_TRUE(in.raw(1).empty());
  EXPECT_TRUE(in.text(10).empty());
  EXPECT_EQ(in.left(), 0u);
  EXPECT_FALSE(in.finished());
}

TEST(Bytes, ALengthIsBelievedBelowItsLimitOnly) {
  Writer out;
  out.text("12345");
  Reader tight(out.bytes());
  EXPECT_EQ(tight.text(4), "");
  EXPECT_FALSE(tight.ok());
  Writer lie;
  lie.put(std::uint32_t{0xFFFFFFFF});
  Reader in(lie.bytes());
  EXPECT_TRUE(in.blob(std::size_t{1} << 40).empty());
  EXPECT_FALSE(in.ok());
}

TEST(Bytes, ACountThatCannotBeTrueFails) {
  Writer out;
  out.put(std::uint32_t{3});
  out.raw(Bytes(24));
  EXPECT_EQ(Reader(out.bytes()).count(8), 3u);
  Reader in(out.bytes());
  EXPECT_EQ(in.count(9), 0u);
  EXPECT_FALSE(in.ok());
  Writer huge;
  huge.put(std::uint32_t{0xFFFFFFFF});
  EXPECT_EQ(Reader(huge.bytes()).count(std::size_t{1} << 31), 0u);
}

TEST(Bytes, LeftOverBytesAreNotFinished) {
  const Bytes two(2);
  Reader in(two);
  in.get<std::uint8_t>();
  EXPECT_TRUE(in.ok());
  EXPECT_FALSE(in.finished());
}

}  // namespace
}  // namespace dspm
