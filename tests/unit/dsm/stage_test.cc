#include "dsm/stage.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace dspm::dsm {
namespace {

Bytes text(const std::string& s) {
  const auto span = std::as_bytes(std::span(s.data(), s.size()));
  return {span.begin(), span.end()};
}
void write(Stage& stage, std::uint64_t offset, const std::string& s, std::int64_t stamp = 1) {
  stage.write(offset, text(s), WallTime{stamp}, Time(Duration(stamp)));
}
void store(Stage& stage, std::uint64_t offset, const std::string& s, std::int64_t stamp = 1) {
  ByteMask mask;
  set_range(mask, offset % kPageSize, s.size());
  stage.store(page_of(offset), mask, offset % kPageSize, text(s), WallTime{stamp});
}
std::map<std::uint64_t, char> bytes_in(const Stage& stage) {
  std::map<std::uint64_t, char> out;
  for (const Extent& e : stage.extents()) {
    for (std::size_t i = 0; i < e.bytes.size(); ++i) out[e.offset + i] = char(e.bytes[i]);
  }
  return out;
}
std::string read(const Stage& stage, std::uint64_t offset, std::size_t n) {
  PageBytes page;
  page.data.fill(std::byte('.'));
  stage.overlay(page_of(offset), page);
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += char(page.data[offset % kPageSize + i]);
  return out;
}

TEST(Stage, F5_TheNewestByteWins) {
  Stage stage;
  write(stage, 10, "aaaa");
  store(stage, 11, "bb");
  EXPECT_EQ(read(stage, 9, 6), ".abba.");
  write(stage, 12, "c");
  EXPECT_EQ(read(stage, 9, 6), ".abca.");
}

TEST(Stage, OverlayTouchesNothingElse) {
  Stage stage;
  PageBytes page;
  page.data.fill(std::byte('.'));
  EXPECT_FALSE(stage.overlay(PageNo(0), page));
  write(stage, kPageSize + 5, "x");
  EXPECT_FALSE(stage.overlay(PageNo(0), page));
  EXPECT_TRUE(stage.overlay(PageNo(1), page));
  for (std::size_t i = 0; i < kPageSize; ++i)
    EXPECT_EQ(page.data[i], std::byte(i == 5 ? 'x' : '.'));
}

TEST(Stage, C1_ExtentsAscendAndJoinAcrossPages) {
  Stage stage;
  write(stage, kPageSize - 2, "abcd");
  store(stage, 7, "z");
  write(stage, 3 * kPageSize, "q");
  const auto extents = stage.extents();
  ASSERT_EQ(extents.size(), 3u);
  EXPECT_EQ(extents[0].offset, 7u);
  EXPECT_EQ(extents[1].offset, kPageSize - 2);
  EXPECT_EQ(extents[1].bytes, text("abcd"));
  EXPECT_EQ(extents[2].offset, 3 * kPageSize);
  EXPECT_EQ(stage.byte_count(), 6u);
}

TEST(Stage, Z4_WritesGrowAnObjectAndStoresNever) {
  Stage stage;
  store(stage, 9000, "far");
  EXPECT_EQ(stage.write_end(), 0u);
  write(stage, 100, "x");
  EXPECT_EQ(stage.write_end(), 101u);
  EXPECT_EQ(stage.touch(), WallTime{1});
}

TEST(Stage, Z6_ACutTakesWhatLiesBeyond) {
  Stage stage;
  write(stage, 0, "abcdef");
  store(stage, kPageSize, "g");
  store(stage, 3 * kPageSize, "h");
  stage.cut(3);
  EXPECT_EQ(bytes_in(stage), (std::map<std::uint64_t, char>{{0, 'a'}, {1, 'b'}, {2, 'c'}}));
  EXPECT_LE(stage.write_end(), 3u);
  stage.cut(0);
  EXPECT_TRUE(stage.empty());
  EXPECT_FALSE(stage.oldest_write().has_value());
}

TEST(Stage, P6_ACutOfMappedBytesLeavesThoseOfWrite) {
  Stage stage;
  write(stage, 10, "www");
  store(stage, 12, "s");
  store(stage, 14, "s");
  stage.cut(0, true);
  EXPECT_EQ(bytes_in(stage), (std::map<std::uint64_t, char>{{10, 'w'}, {11, 'w'}}));
  EXPECT_EQ(stage.write_end(), 13u);
}

TEST(Stage, TakeWrittenLeavesTheStores) {
  Stage stage;
  write(stage, 0, "wwww");
  store(stage, 1, "s");
  store(stage, kPageSize, "t");
  Stage written = stage.take_written();
  EXPECT_EQ(bytes_in(written), (std::map<std::uint64_t, char>{{0, 'w'}, {2, 'w'}, {3, 'w'}}));
  EXPECT_EQ(written.write_end(), 4u);
  EXPECT_EQ(bytes_in(stage), (std::map<std::uint64_t, char>{{1, 's'}, {kPageSize, 't'}}));
  EXPECT_EQ(stage.write_end(), 0u);
  EXPECT_FALSE(stage.oldest_write().has_value());
  EXPECT_TRUE(stage.take_written().empty());
}

TEST(Stage, C8_WhatIsPutBackLiesUnderWhatIsNewer) {
  Stage older, newer;
  write(older, 0, "oooo", 1);
  write(older, kPageSize, "p", 1);
  store(newer, 1, "n", 5);
  newer.put_back(std::move(older));
  EXPECT_EQ(read(newer, 0, 4), "onoo");
  EXPECT_EQ(read(newer, kPageSize, 1), "p");
  EXPECT_EQ(newer.write_end(), kPageSize + 1);
  EXPECT_EQ(newer.touch(), WallTime{5});
  EXPECT_EQ(newer.oldest_write(), Time(Duration(1)));
  const Stage written = newer.take_written();
  EXPECT_FALSE(bytes_in(written).contains(1)) << "the newer byte came from a mapping";
}

TEST(Stage, ForgetStampLeavesTheBytes) {
  Stage stage;
  write(stage, 0, "x");
  stage.forget_stamp();
  EXPECT_FALSE(stage.touch().has_value());
  EXPECT_EQ(stage.byte_count(), 1u);
}

// Random writes, stores and cuts, freezes put back: what a plain map of bytes would hold.
TEST(Stage, BehavesLikeAMapOfBytes) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; round++) {
    Stage stage;
    std::map<std::uint64_t, char> model;
    for (int i = 0; i < 40; i++) {
      const std::uint64_t offset = random() % (3 * kPageSize);
      const std::string s(1 + random() % 50, char('a' + random() % 26));
      switch (random() % 6) {
        case 0:
          stage.cut(offset);
          model.erase(model.lower_bound(offset), model.end());
          break;
        case 1: {
          Stage frozen = std::exchange(stage, Stage());
          write(stage, offset, s);
          stage.put_back(std::move(frozen));
          for (std::size_t k = 0; k < s.size(); ++k) model[offset + k] = s[k];
          break;
        }
        case 2:
          if (offset % kPageSize + s.size() > kPageSize) break;
          store(stage, offset, s);
          for (std::size_t k = 0; k < s.size(); ++k) model[offset + k] = s[k];
          break;
        default:
          write(stage, offset, s);
          for (std::size_t k = 0; k < s.size(); ++k) model[offset + k] = s[k];
      }
      ASSERT_EQ(bytes_in(stage), model);
      ASSERT_EQ(stage.byte_count(), model.size());
    }
  }
}

}  // namespace
}  // namespace dspm::dsm
