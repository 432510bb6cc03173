#include "commit/committer.h"

#include <gtest/gtest.h>

namespace dspm::commit {
namespace {

constexpr GroupId kGroup{1};
constexpr NodeId kHome{1};

class CommitterTest : public ::testing::Test {
 protected:
  CommitterTest() { groups.learn(kGroup, {Epoch(1), kHome, Incarnation(5), {}}); }
  static CommitId id(std::uint64_t n) { return {NodeId(2), Incarnation(7), n}; }
  Commit submit(std::uint64_t n) {
    out.clear();
    Change change;
    change.ino = Ino(42);
    change.extents = {{0, Bytes(1)}};
    committer.submit(kGroup, id(n), change, out);
    return commit();
  }
  Commit commit() const {
    EXPECT_EQ(out.size(), 1u);
    return out.size() == 1 ? std::get<CommitterSend>(out[0]).message : Commit{};
  }
  void refused(std::uint64_t n, std::uint32_t attempt) {
    out.clear();
    committer.refused({kGroup, Epoch(1), Ino(42), id(n), attempt, Status::gone, {}}, out);
  }
  void decided(std::uint64_t n, std::uint32_t epoch = 1) {
    out.clear();
    committer.decided({kGroup, Epoch(epoch), Ino(42), id(n), {}}, out);
  }
  void done(std::uint64_t n) {
    out.clear();
    committer.done({kGroup, Epoch(1), Ino(42), id(n), {}}, out);
  }
  GroupTable groups;
  Committer committer{NodeId(2), groups};
  CommitterEffects out;
};

TEST_F(CommitterTest, C3_DecidedThenDoneOnceEach) {
  submit(1);
  decided(1);
  EXPECT_FALSE(std::get<Settled>(out.at(0)).done);
  decided(1);
  EXPECT_TRUE(out.empty());
  done(1);
  EXPECT_TRUE(std::get<Settled>(out.at(0)).done);
  done(1);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(committer.in_flight(), 0u);
}

TEST_F(CommitterTest, M1_WhatIsUnansweredIsSentAgain) {
  submit(1);
  out.clear();
  committer.peer_up(NodeId(3), out);
  EXPECT_TRUE(out.empty());
  committer.peer_up(kHome, out);
  EXPECT_EQ(commit().id, id(1));
  EXPECT_EQ(commit().attempt, 1u);
  EXPECT_EQ(commit().change.extents.size(), 1u);
}

TEST_F(CommitterTest, Z3_OneRefusalOneNextAttempt) {
  submit(1);
  refused(1, 1);
  EXPECT_EQ(std::get<Returned>(out.at(0)).reason, Status::gone);
  refused(1, 1);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(submit(1).attempt, 2u);
  refused(1, 1);
  EXPECT_TRUE(out.empty()) << "of the attempt before";
}

TEST_F(CommitterTest, C7_NamesBelowWhichAllIsDone) {
  EXPECT_EQ(submit(1).done_below, 1u);
  EXPECT_EQ(submit(2).done_below, 1u);
  done(1);
  EXPECT_EQ(submit(3).done_below, 2u);
  decided(2);
  EXPECT_EQ(submit(4).done_below, 2u) << "decided is not Done";
}

// Its header came later than that of a younger one: were it taken for Done, it would be lost.
TEST_F(CommitterTest, C7_WhatIsFrozenAndNotYetSentIsNotDone) {
  committer.reserve(kGroup, id(1));
  EXPECT_EQ(submit(2).done_below, 1u);
  done(2);
  out.clear();
  committer.peer_up(kHome, out);
  committer.group_learnt(kGroup, out);
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(committer.undecided());
  EXPECT_EQ(submit(1).attempt, 1u);
  committer.reserve(kGroup, id(3));
  committer.forget(id(3));
  done(1);
  EXPECT_EQ(submit(4).done_below, 4u);
}

TEST_F(CommitterTest, M2_AnAnswerOfAnotherEpochIsDropped) {
  submit(1);
  decided(1, 2);
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(committer.undecided());
}

TEST_F(CommitterTest, C7_ANewEpochIsAskedForAllAndOfTheDecidedOnlyTheOutcome) {
  submit(1);
  decided(1);
  submit(2);
  out.clear();
  groups.learn(kGroup, {Epoch(2), kHome, Incarnation(6), {}});
  committer.group_learnt(kGroup, out);
  ASSERT_EQ(out.size(), 2u);
  const Commit& first = std::get<CommitterSend>(out[0]).message;
  EXPECT_EQ(first.id, id(1));
  EXPECT_TRUE(first.was_decided);
  EXPECT_TRUE(first.change.extents.empty());
  const Commit& second = std::get<CommitterSend>(out[1]).message;
  EXPECT_FALSE(second.was_decided);
  EXPECT_EQ(second.epoch, Epoch(2));
}

TEST_F(CommitterTest, C8_DecidedOnceAndKnownToNobodyIsLost) {
  submit(1);
  decided(1);
  out.clear();
  groups.learn(kGroup, {Epoch(2), kHome, Incarnation(6), {}});
  committer.refused({kGroup, Epoch(2), Ino(9), id(1), 1, Status::unknown, {}}, out);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(std::get<Lost>(out[0]).id, id(1));
}

}  // namespace
}  // namespace dspm::commit
