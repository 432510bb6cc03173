// Each named story holds; and those that are there for a planted bug fail with it.
#include "tests/sim/scenarios.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/sim/planted_names.h"
#include "tests/sim/run.h"
#include "tests/sim/seed_pool.h"

namespace dspm::sim {
namespace {

const Scenario& scenario(const std::string& name) {
  for (const Scenario& s : scenarios())
    if (name == s.name) return s;
  throw std::invalid_argument(name);
}

class Stories : public testing::TestWithParam<Scenario> {};

TEST_P(Stories, Hold) { EXPECT_EQ(GetParam().run(false), "") << GetParam().rules; }

INSTANTIATE_TEST_SUITE_P(All, Stories, testing::ValuesIn(scenarios()),
                         [](const auto& info) { return std::string(info.param.name); });

struct Pair {
  const char* bug;
  const char* scenario;
};
class Noticed : public testing::TestWithParam<Pair> {};

TEST_P(Noticed, ByItsStory) {
  const Planted bug = find_planted(GetParam().bug);
  ASSERT_NE(bug, Planted::none);
  EXPECT_TRUE(fails_in_child([&] {
    g_planted = bug;
    return scenario(GetParam().scenario).run(false).empty();
  }));
}

INSTANTIATE_TEST_SUITE_P(
    Planted, Noticed,
    testing::Values(Pair{"twin_patched_always", "D3"}, Pair{"floor_ignored", "A15"},
                    Pair{"bar_ignored", "F8"}, Pair{"whole_page_forgotten", "D1"},
                    Pair{"copies_not_listed", "D5"}, Pair{"second_outlives", "D7"},
                    Pair{"rewrite_race_ignored", "K3_3"}, Pair{"overlay_always", "A12"},
                    Pair{"asked_before_freeze", "A12_asked"}, Pair{"no_decided", "D2"},
                    Pair{"truncate_answered_early", "Z1_10"}, Pair{"staged_not_cut", "Z1_5"},
                    Pair{"told_when_learnt", "Z8_ahead"}, Pair{"late_setattr_ignored", "N13"},
                    Pair{"no_change_no_wait", "Z1_10"}, Pair{"outcome_forgotten", "B8"},
                    Pair{"no_resend", "B8"}, Pair{"push_during_setattr", "Z1_15"},
                    Pair{"inode_not_awaited", "Z8_inode"}, Pair{"copies_not_marked", "Z1_6"},
                    Pair{"old_end_stays", "Z1_13"}, Pair{"generation_not_checked", "Z1_5"}),
    [](const auto& info) { return std::string(info.param.bug); });

TEST(Seeds, EndWithTheSameHashTwice) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 24}) {
    const RunResult one = run_seed(seed), two = run_seed(seed);
    EXPECT_EQ(one.failure, "") << seed;
    EXPECT_EQ(one.hash, two.hash) << seed;
  }
}

}  // namespace
}  // namespace dspm::sim
