// A pool crashes at every step it takes, of both kinds, also while it is made and while it comes
// back [13-media]; its bytes rot; wrong rules are noticed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/pool_stories.h"
#include "tests/sim/seed_pool.h"

namespace dspm::sim {
namespace {

class PoolCrash : public testing::TestWithParam<PmemKind> {};

std::string name_of(const testing::TestParamInfo<PmemKind>& info) {
  return info.param == PmemKind::file ? "File" : "Memory";
}
INSTANTIATE_TEST_SUITE_P(Kinds, PoolCrash,
                         testing::Values(PmemKind::byte_addressable, PmemKind::file), name_of);

TEST_P(PoolCrash, P9_WithoutCrashesTheLogGoesRoundAndRound) {
  PoolRigOptions options;
  options.kind = GetParam();
  PoolRig rig(options);
  rig.create();
  rig.crash(false, Keep::nothing, 0);
  rig.open();
  rig.work(6000);
  rig.quiesce();
  rig.compare();
  EXPECT_GT(rig.laps(), 20u);
  EXPECT_GT(rig.checkpoints(), 100u);
}

TEST_P(PoolCrash, E5_AtEveryStepOfCreationAndWork) {
  std::uint64_t steps = 0;
  EXPECT_EQ(pool_crash(GetParam(), {}, &steps, nullptr), "");
  EXPECT_GT(steps, 100u);
  for (std::uint64_t at = 1; at <= steps; ++at) {
    for (const Keep keep : {Keep::nothing, Keep::everything, Keep::random})
      ASSERT_EQ(pool_crash(GetParam(), {at, 0, true, keep}, nullptr, nullptr), "")
          << "power, step " << at << ", keep " << int(keep);
    ASSERT_EQ(pool_crash(GetParam(), {at, 0, false}, nullptr, nullptr), "") << "kill, step " << at;
  }
}

TEST_P(PoolCrash, E5_AtEveryStepOfComingBack) {
  std::uint64_t steps = 0;
  EXPECT_EQ(pool_crash(GetParam(), {}, &steps, nullptr), "");
  for (std::uint64_t at = 3; at <= steps; at += 11) {
    for (const bool power : {true, false}) {
      std::uint64_t inside = 0;
      ASSERT_EQ(pool_crash(GetParam(), {at, 0, power, Keep::random}, nullptr, &inside), "") << at;
      for (std::uint64_t in = 1; in <= inside; ++in)
        ASSERT_EQ(pool_crash(GetParam(), {at, in, power, Keep::random}, nullptr, nullptr), "")
            << "step " << at << ", then " << in << (power ? ", power" : ", kill");
    }
  }
}

TEST_P(PoolCrash, N9_FlippedBitsAreNoticedOrHarmless) {
  unsigned noticed = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed)
    ASSERT_EQ(pool_rot(GetParam(), seed, 400, noticed), "") << seed;
  EXPECT_GT(noticed, 100u);
}

// DSPM_POOL_SEEDS="first last": others than the usual.
TEST(PoolLives, EndAsTheirModel) {
  std::uint64_t first = 1, last = 60;
  if (const char* seeds = std::getenv("DSPM_POOL_SEEDS")) {
    char* rest = nullptr;
    first = std::strtoull(seeds, &rest, 10);
    last = std::strtoull(rest, nullptr, 10);
  }
  PoolTotals totals;
  for (std::uint64_t seed = first; seed <= last; ++seed)
    ASSERT_EQ(pool_life(seed, totals), "") << "seed " << seed;
  RecordProperty("crashes", int(totals.crashes));
  EXPECT_GT(totals.crashes, 5 * (last - first));
  EXPECT_GT(totals.crashes_inside, last - first);
  EXPECT_GT(totals.laps, 5 * (last - first));
}

class WrongPool : public testing::TestWithParam<std::pair<const char*, Planted>> {};

TEST_P(WrongPool, IsNoticed) {
  EXPECT_TRUE(fails_in_child([] {
    g_planted = GetParam().second;
    for (std::uint64_t at = 1; at < 40; ++at) {
      const CrashPoint point{at, 0, true, Keep::random};
      if (!pool_crash(PmemKind::byte_addressable, point, nullptr, nullptr).empty()) return false;
    }
    PoolTotals totals;
    unsigned noticed = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      if (!pool_life(seed, totals).empty()) return false;
      const PmemKind kind = seed % 2 == 0 ? PmemKind::file : PmemKind::byte_addressable;
      if (seed <= 4 && !pool_rot(kind, seed, 300, noticed).empty()) return false;
    }
    return true;
  }));
}

INSTANTIATE_TEST_SUITE_P(
    Planted, WrongPool,
    testing::Values(std::pair("crc_not_checked", Planted::crc_not_checked),
                    std::pair("position_not_checked", Planted::position_not_checked),
                    std::pair("last_fragment_skipped", Planted::last_fragment_skipped),
                    std::pair("fragments_missing", Planted::fragments_missing),
                    std::pair("rot_taken_for_torn", Planted::rot_taken_for_torn),
                    std::pair("durable_is_end", Planted::durable_is_end),
                    std::pair("decided_not_logged", Planted::decided_not_logged),
                    std::pair("replay_by_version", Planted::replay_by_version),
                    std::pair("late_frames_kept", Planted::late_frames_kept),
                    std::pair("late_frames_not_erased", Planted::late_frames_not_erased),
                    std::pair("let_go_not_undone", Planted::let_go_not_undone),
                    std::pair("frame_count_not_checked", Planted::frame_count_not_checked),
                    std::pair("unit_crc_not_checked", Planted::unit_crc_not_checked),
                    std::pair("folds_not_synced", Planted::folds_not_synced),
                    std::pair("trimmed_without_anchor", Planted::trimmed_without_anchor),
                    std::pair("anchor_before_record", Planted::anchor_before_record),
                    std::pair("live_not_copied", Planted::live_not_copied),
                    std::pair("frame_reused_early", Planted::frame_reused_early),
                    std::pair("pinned_frame_written", Planted::pinned_frame_written),
                    std::pair("outcomes_not_saved", Planted::outcomes_not_saved),
                    std::pair("no_sync_at_recovery", Planted::no_sync_at_recovery),
                    std::pair("superblock_first", Planted::superblock_first)),
    [](const auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace dspm::sim
