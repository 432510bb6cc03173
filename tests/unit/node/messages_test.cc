#include "fs/messages.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/node/every_message.h"

namespace dspm::fs {
namespace {

using test::every_message;
using test::flat;

TEST(Messages, EveryKindIsThere) {
  const auto all = every_message();
  ASSERT_EQ(all.size(), std::variant_size_v<Message>);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].index(), i);
}

TEST(Messages, WhatIsEncodedIsDecoded) {
  for (const Message& message : every_message()) {
    const Bytes bytes = flat(message);
    const auto back = decode(bytes);
    ASSERT_TRUE(back) << kind_of(message);
    EXPECT_EQ(back.value().index(), message.index());
    EXPECT_EQ(flat(back.value()), bytes) << kind_of(message);
  }
}

TEST(Messages, TheFieldsOfACommitComeBack) {
  const commit::Commit sent = test::a_commit();
  const auto back = decode(flat(sent));
  ASSERT_TRUE(back);
  const auto& got = std::get<commit::Commit>(back.value());
  EXPECT_EQ(got.id, sent.id);
  EXPECT_EQ(got.attempt, sent.attempt);
  EXPECT_EQ(got.done_below, sent.done_below);
  EXPECT_EQ(got.change.extents.at(1).bytes, sent.change.extents.at(1).bytes);
  EXPECT_EQ(got.change.set_size, sent.change.set_size);
  EXPECT_EQ(got.change.touch, sent.change.touch);
  EXPECT_EQ(got.change.times->atime, WallTime{-1});
  EXPECT_FALSE(got.change.times->mtime.has_value());
  EXPECT_EQ(got.change.unread_copies, sent.change.unread_copies);
}

TEST(Messages, ZeroPagesAreNotSent) {
  const auto all = every_message();
  EXPECT_EQ(encode(all[1]).pages.size(), 1u);
  const auto back = decode(flat(all[1]));
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<dsm::Data>(back.value()).pages.at(1).bytes, zero_page());
}

TEST(Messages, GoldenBytes) {
  const Bytes got = flat(dsm::FetchAttr{GroupId(0x01020304), Epoch(5), Ino(6), 7});
  const unsigned char want[] = {2, 4, 3, 2, 1, 5, 0, 0, 0, 6, 0, 0, 0,
                                0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0};
  ASSERT_EQ(got.size(), sizeof want);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], std::byte(want[i])) << i;
}

TEST(Messages, TruncatedAnywhereDoesNotDecode) {
  for (const Message& message : every_message()) {
    const Bytes bytes = flat(message);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      const auto back = decode(ByteSpan(bytes).first(n));
      ASSERT_FALSE(back) << kind_of(message) << " cut to " << n;
      ASSERT_EQ(back.status(), Status::corrupt);
    }
    Bytes more = bytes;
    more.push_back({});
    EXPECT_FALSE(decode(more)) << kind_of(message) << " with a byte too many";
  }
}

TEST(Messages, UnknownKindsDoNotDecode) {
  for (unsigned tag = std::variant_size_v<Message>; tag < 256; ++tag) {
    EXPECT_FALSE(decode(Bytes{std::byte(tag)}));
  }
}

TEST(Messages, RandomFlipsNeverCrashAndDecodedOnesEncode) {
  std::mt19937_64 random(1);
  for (const Message& message : every_message()) {
    const Bytes bytes = flat(message);
    for (int round = 0; round < 3000; round++) {
      Bytes bad = bytes;
      for (unsigned i = 0; i < 1 + random() % 4; i++) {
        bad[random() % std::min<std::size_t>(bad.size(), 400)] ^= std::byte(1 << random() % 8);
      }
      const auto back = decode(bad);
      ASSERT_TRUE(!back || decode(flat(back.value()))) << kind_of(message);
    }
  }
}

TEST(Messages, LiesAboutCountsAreNotBelieved) {
  dsm::Inval inval{GroupId(1), Epoch(1), Ino(1), Lsn(), {{PageNo(1), ~std::uint64_t{0}}}, {}};
  EXPECT_FALSE(decode(flat(inval)));
  inval.pages = {{PageNo(~std::uint64_t{0}), 1}};
  EXPECT_FALSE(decode(flat(inval)));
  EXPECT_FALSE(decode(flat(dsm::Fetch{GroupId(1), Epoch(1), Ino(1), 1, {PageNo(0), 5000}, {}})));
  commit::Commit commit = test::a_commit();
  std::swap(commit.change.extents[0], commit.change.extents[1]);
  EXPECT_FALSE(decode(flat(commit))) << "extents ascend";
  commit = test::a_commit();
  commit.change.set_size = kMaxObjectSize + 1;
  EXPECT_FALSE(decode(flat(commit)));
}

}  // namespace
}  // namespace dspm::fs
