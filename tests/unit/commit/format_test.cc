// Bytes on media never change: docs/format.md.
#include "commit/format.h"

#include <gtest/gtest.h>

#include "commit/checkpoint.h"
#include "commit/fragment.h"
#include "commit/log.h"
#include "commit/pool.h"
#include "commit/recovery.h"
#include "tests/unit/utils/hex.h"
#include "utils/base/limits.h"

namespace dspm::commit {
namespace {

template <class T>
std::string bytes_of(const T& value) {
  return test::hex(std::as_bytes(std::span(&value, 1)));
}

TEST(Format, GoldenSuperblock) {
  format::Superblock s{};
  s.version = 1;
  s.node = 3;
  s.pool = 0x1122334455667788;
  s.frames = 1000;
  s.ring = 1 << 26;
  s.fragment_payload = 1 << 20;
  s.cluster = {'d', 'e', 'm', 'o'};
  seal(s);
  EXPECT_TRUE(sound(s));
  EXPECT_EQ(bytes_of(s).substr(0, 104),
            "6473706d90b1ee6e01000000030000008877665544332211e8030000000000000000000400000000"
            "000010000000000064656d6f");
}

TEST(Format, GoldenAnchor) {
  format::Anchor a{};
  a.pool_tag = pool_tag(0x1122334455667788);
  a.checkpoint = 5;
  a.head = 0x40;
  seal(a);
  EXPECT_TRUE(sound(a));
  EXPECT_EQ(bytes_of(a), "616e63689d7f1c57165159af0000000005000000000000004000000000000000");
}

TEST(Format, P6_GoldenFragment) {
  format::Fragment f{};
  f.position = 0x1000;
  f.lsn = Lsn(Epoch(2), 9).value;
  f.durable = 0xfc0;
  f.decided = Lsn(Epoch(2), 8).value;
  f.length = 4;
  f.previous_crc = 0xaabbccdd;
  f.group = 7;
  f.count = 1;
  f.kind = 1;
  f.pool_tag = 0x01020304;
  const Bytes payload(4, std::byte('p'));
  seal(f, payload);
  EXPECT_TRUE(sound(f, payload));
  EXPECT_TRUE(plausible(f, 0x1000, 0x01020304, 1000, 512));
  EXPECT_FALSE(plausible(f, 0x1040, 0x01020304, 1000, 512)) << "of another place [E1]";
  EXPECT_FALSE(plausible(f, 0x1000, 0x01020305, 1000, 512)) << "of another pool";
  EXPECT_FALSE(plausible(f, 0x1000, 0x01020304, 100, 512)) << "beyond the lap";
  EXPECT_EQ(bytes_of(f),
            "667261675421678000100000000000000900000000020000c00f0000000000000800000000020000"
            "04000000ddccbbaa07000000000001000100000004030201");
}

TEST(Format, GoldenFrameHeader) {
  format::FrameHeader h{};
  h.ino = 42;
  h.page = 7;
  h.stamp = 99;
  h.group = 3;
  h.identity_crc = identity_crc(h, 0x01020304);
  h.version = Lsn(Epoch(2), 9).value;
  h.unit_crc = {1, 2, 3, 4, 5, 6, 7, 8};
  h.soft_crc = soft_crc(h);
  h.until = format::kAlive | h.stamp;
  EXPECT_EQ(bytes_of(h),
            "2a00000000000000070000000000000063000000000000000300000050d713480000000000000000"
            "00000000000000000000000000000000000000000000000009000000000200000100000002000000"
            "0300000004000000050000000600000007000000080000005c7118c0000000006300000000000080"
            "0000000000000000");
}

TEST(Format, AFlippedBitIsNoticed) {
  format::Anchor a{};
  seal(a);
  for (std::size_t bit = 0; bit < sizeof a * 8; ++bit) {
    format::Anchor flipped = a;
    reinterpret_cast<unsigned char*>(&flipped)[bit / 8] ^= 1u << bit % 8;
    EXPECT_FALSE(sound(flipped)) << bit;
  }
}

TEST(Format, P4_AQuarterIsLogAndTheRestFrames) {
  constexpr std::uint64_t kMiB = 1 << 20, kOdd = 12345678901 / 4096 * 4096;
  EXPECT_EQ(format::parts_of(1024 * kMiB).log, 256 * kMiB);
  EXPECT_EQ(format::parts_of(128 * kMiB).log, 64 * kMiB);
  for (const std::uint64_t size : {128 * kMiB, 1000 * kMiB, kOdd}) {
    const auto parts = format::parts_of(size);
    const std::uint64_t frames = format::frames_in(parts.pool);
    EXPECT_LE(parts.pool + parts.log, size);
    EXPECT_GT(parts.pool + parts.log + 2 * kPageSize + 4096, size);
    EXPECT_EQ(format::pool_size(frames), parts.pool);
    EXPECT_EQ(format::frames_in(format::pool_size(frames + 1)), frames + 1);
  }
}

TEST(Format, P10_WhatARecordTakesInTheLog) {
  Record record;
  record.lsn = Lsn(Epoch(1), 1);
  const auto takes = [&] {
    return physical_length(encode(record).size(), format::kFragmentPayload) + 64;
  };
  EXPECT_EQ(log_bytes(record), takes());
  record.cut = 5;
  record.times.mtime = WallTime{1};
  record.header.cuts.resize(kMaxCuts);
  record.extents = {{0, Bytes(100)}, {1000, Bytes(1)}};
  EXPECT_EQ(log_bytes(record), takes());
  record.extents.push_back({1 << 20, Bytes(3 << 20)});
  EXPECT_EQ(log_bytes(record), takes());
}

TEST(Format, ACheckpointComesBackFromItsBytesAndFromNoOthers) {
  Checkpoint c{7, 64, 9, 3, 0x1234567890, {}};
  GroupState one{GroupId(1), Lsn(Epoch(1), 5), {}};
  one.outcomes[{NodeId(1), Incarnation(9)}] = {3, {{4, Lsn(Epoch(1), 2)}}};
  c.groups = {one, {GroupId(2), Lsn(), {}}};
  const Bytes bytes = encode(c);
  const auto back = decode_checkpoint(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), bytes);
  EXPECT_EQ(back->groups[0].outcomes, one.outcomes);
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode_checkpoint(ByteSpan(bytes).first(n))) << n;
}

}  // namespace
}  // namespace dspm::commit
