#include "dsm/merge.h"

#include <gtest/gtest.h>

#include <random>

namespace dspm::dsm {
namespace {

// A few values only, so that equal bytes are frequent.
PageBytes random_page(std::mt19937_64& random) {
  PageBytes page;
  for (std::byte& b : page.data) b = std::byte(random() % 3);
  return page;
}
// `base` with a few runs of stores.
PageBytes stored_over(const PageBytes& base, std::mt19937_64& random) {
  PageBytes page = base;
  for (unsigned i = 0; i < 1 + random() % 8; i++) {
    const std::size_t first = random() % kPageSize;
    const std::size_t n = 1 + random() % std::min<std::size_t>(kPageSize - first, 200);
    for (std::size_t k = first; k < first + n; ++k) page.data[k] = std::byte(random() % 256);
  }
  return page;
}

TEST(Merge, F5_TheDifferenceIsExactlyTheBytesThatDiffer) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 100; round++) {
    const PageBytes before = random_page(random), now = stored_over(before, random);
    const ByteMask mask = difference(now.data, 0, before);
    for (std::size_t i = 0; i < kPageSize; ++i) {
      ASSERT_EQ(mask[i], now.data[i] != before.data[i]) << i;
    }
  }
}

TEST(Merge, F5_ADifferenceAppliedGivesThePageBack) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; round++) {
    const PageBytes before = random_page(random), now = stored_over(before, random);
    PageBytes made = before;
    apply(made, difference(now.data, 0, before), now);
    ASSERT_EQ(made.data, now.data);
    ASSERT_TRUE(difference(made.data, 0, now).none());
  }
}

TEST(Merge, F5_APartOfAPageIsComparedAtItsPlace) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; round++) {
    const PageBytes before = random_page(random), now = random_page(random);
    const std::size_t at = random() % kPageSize, n = 1 + random() % (kPageSize - at);
    const ByteMask part = difference(ByteSpan(now.data).subspan(at, n), at, before);
    ByteMask expected = difference(now.data, 0, before), range;
    set_range(range, at, n);
    ASSERT_EQ(part, expected & range);
  }
}

TEST(Merge, F5_DisjointStoresOfTwoNodesMergeInEitherOrder) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 100; round++) {
    const PageBytes base = random_page(random), a = stored_over(base, random);
    PageBytes b = stored_over(base, random);
    const ByteMask of_a = difference(a.data, 0, base);
    apply(b, of_a, base);  // b stores nothing where a does
    const ByteMask of_b = difference(b.data, 0, base);
    ASSERT_TRUE((of_a & of_b).none());
    PageBytes ab = base, ba = base;
    apply(ab, of_a, a);
    apply(ab, of_b, b);
    apply(ba, of_b, b);
    apply(ba, of_a, a);
    ASSERT_EQ(ab.data, ba.data);
  }
}

TEST(Merge, ARepeatedMergeChangesNothing) {
  std::mt19937_64 random(5);
  const PageBytes base = random_page(random), now = stored_over(base, random);
  const ByteMask mask = difference(now.data, 0, base);
  PageBytes once = base;
  apply(once, mask, now);
  PageBytes twice = once;
  apply(twice, mask, now);
  EXPECT_EQ(once.data, twice.data);
}

TEST(Merge, RangesAndRunsAgree) {
  std::mt19937_64 random(6);
  for (int round = 0; round < 200; round++) {
    ByteMask mask, again, cleared;
    for (unsigned i = 0; i < random() % 9; i++) {
      const std::size_t first = random() % kPageSize;
      set_range(mask, first, random() % (kPageSize - first + 1));
    }
    std::size_t last = 0;
    for_each_run(mask, [&](std::size_t first, std::size_t count) {
      ASSERT_GT(count, 0u);
      ASSERT_TRUE(again.none() || first > last) << "runs ascend and do not touch";
      set_range(again, first, count);
      last = first + count;
    });
    ASSERT_EQ(mask, again);
    const std::size_t from = random() % (kPageSize + 2);
    cleared = mask;
    clear_from(cleared, from);
    for (std::size_t i = 0; i < kPageSize; ++i) ASSERT_EQ(cleared[i], mask[i] && i < from);
  }
}

TEST(Merge, TheEdgesOfAPage) {
  ByteMask mask;
  set_range(mask, 0, 0);
  EXPECT_TRUE(mask.none());
  set_range(mask, kPageSize - 1, 1);
  EXPECT_TRUE(mask[kPageSize - 1] && mask.count() == 1);
  set_range(mask, 0, kPageSize);
  EXPECT_TRUE(mask.all());
  clear_from(mask, kPageSize);
  EXPECT_TRUE(mask.all());
  clear_from(mask, 0);
  EXPECT_TRUE(mask.none());
}

}  // namespace
}  // namespace dspm::dsm
