// Records of the cluster store, initialisation, joining, take-over, the view.
#include "namespace/cluster/membership.h"

#include <gtest/gtest.h>

#include <mutex>
#include <optional>

#include "namespace/cluster/sqlite_cluster_store.h"
#include "tests/unit/namespace/sqlite_stores.h"

namespace dspm::test {
namespace {

using namespace names;
using namespace std::chrono_literals;

MemberRecord member(std::uint32_t node, std::uint16_t port = 7000) {
  MemberRecord record;
  record.node = NodeId(node);
  record.host = "127.0.0.1";
  record.port = port;
  return record;
}
const ClusterRecord kDemo{"demo", 1, 1, 1};

struct Membership : ::testing::Test {
  Membership() : store(*open_sqlite_cluster_store(dir.file("db"))) {}
  void init() { ASSERT_TRUE(init_cluster(*store, kDemo, {member(1), member(2), member(3)})); }
  TempDir dir;
  std::unique_ptr<ClusterStore> store;
};

TEST(Records, WhatIsWrittenIsRead_S1) {
  EXPECT_EQ(*decode_cluster(encode(kDemo)), kDemo);
  MemberRecord full{NodeId(3), "f00d", "rack \"1\"", "::1", 7003, true};
  EXPECT_EQ(*decode_member(encode(full)), full);
  GroupRecord group;
  group.group = GroupId(7);
  group.epoch = Epoch(5);
  group.primary = NodeId(2);
  group.incarnation = Incarnation(0xffff'ffff'ffff'ffff);
  group.members = {NodeId(2), NodeId(1)};
  group.in_sync = {"aa", "bb"};  // [S2] pool ids
  group.size = 2;
  EXPECT_EQ(*decode_group(encode(group)), group);
  full.zone = "\xff\xfe";  // no UTF-8: replaced, not thrown about
  EXPECT_TRUE(decode_member(encode(full)));
}

TEST(Records, GoldenText) {
  EXPECT_EQ(encode(kDemo), R"({"format":1,"id":"demo","min_replicas":1,"replicas":1})");
  EXPECT_EQ(encode(member(1)),
            R"({"host":"127.0.0.1","node":1,"pool":"","port":7000,"state":"up","zone":""})");
  GroupRecord group;
  group.group = GroupId(1);
  group.members = {NodeId(1)};
  EXPECT_EQ(encode(group), R"({"epoch":0,"group":1,"in_sync":[],"incarnation":0,"members":[1],)"
                           R"("primary":0,"size":1})");
}

TEST(Records, StrictAndBounded) {
  const std::string good = encode(member(1));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return decode_member(text).status();
  };
  EXPECT_EQ(with("7000", "7001"), Status::ok);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"7000", "70000"},
           {"7000", "-1"},
           {"7000", "7.5"},
           {"7000", "\"7000\""},
           {"7000", "true"},
           {"\"node\":1", "\"node\":0"},
           {"\"node\":1", "\"node\":4294967296"},
           {"\"up\"", "\"gone\""},
           {"\"up\"", "null"},
           {"\"up\"", "\"up\",\"more\":1"},
           {"\"zone\":\"\"", "\"zone\":\"" + std::string(256, 'z') + "\""},
           {"\"zone\":\"\"", "\"zone\":\"\xff\""},
           {"\"host\"", "\"hosts\""}}) {
    EXPECT_EQ(with(from, to), Status::corrupt) << from << " -> " << to;
  }
  for (const std::string text : {"", "[]", "7", "{", "null", "{}", "\"x\"", "\xff"}) {
    EXPECT_EQ(decode_member(text).status(), Status::corrupt) << text;
    EXPECT_EQ(decode_cluster(text).status(), Status::corrupt) << text;
    EXPECT_EQ(decode_group(text).status(), Status::corrupt) << text;
  }
  EXPECT_EQ(decode_member(std::string(100'000, '[')).status(), Status::corrupt);
  EXPECT_EQ(decode_member(std::string(2 << 20, ' ') + good).status(), Status::corrupt);
  EXPECT_EQ(decode_cluster(R"({"format":2,"id":"demo","min_replicas":1,"replicas":1})").status(),
            Status::foreign);
  EXPECT_EQ(decode_cluster(R"({"format":1,"id":"demo","min_replicas":2,"replicas":1})").status(),
            Status::corrupt);
  GroupRecord group;
  group.group = GroupId(1);
  group.members = {NodeId(1)};
  group.primary = NodeId(2);
  group.incarnation = Incarnation(3);
  EXPECT_EQ(decode_group(encode(group)).status(), Status::corrupt) << "primary is no member";
  group.primary = NodeId(1);
  group.epoch = Epoch(1u << 24);
  EXPECT_EQ(decode_group(encode(group)).status(), Status::corrupt) << "an epoch has 24 bits";
}

TEST_F(Membership, S4_InitMakesOneGroupANodeAndKeepsThemAfterwards) {
  init();
  const ClusterView view = *read_view(*store);
  ASSERT_EQ(view.groups.size(), 3u);
  for (std::uint32_t i = 1; i <= 3; ++i) {
    const GroupRecord& group = view.groups.at(own_group(NodeId(i)));
    EXPECT_EQ(group.members, (std::vector<NodeId>{NodeId(i)}));
    EXPECT_EQ(group.epoch, Epoch(0));
    EXPECT_FALSE(group.primary);
    EXPECT_EQ(group.size, 1u);
  }
  auto joined = *join(*store, "demo", NodeId(2));
  ASSERT_TRUE(init_cluster(*store, kDemo, {member(1), member(2, 9000), member(3), member(4)}));
  const ClusterView after = *read_view(*store);
  EXPECT_EQ(after.groups.at(GroupId(2)), joined.group) << "a group goes on where it was";
  EXPECT_EQ(after.members.at(NodeId(2)).port, 9000);
  EXPECT_EQ(after.groups.size(), 4u);
  const Outcome other = init_cluster(*store, {"other", 1, 1, 1}, {member(1)});
  EXPECT_EQ(other.status(), Status::foreign);
  EXPECT_NE(other.error().what.find("demo"), std::string::npos);
}

TEST_F(Membership, P6_EachLifeTakesTheNextEpoch) {
  init();
  Incarnation last;
  for (std::uint32_t life = 1; life <= 3; ++life) {
    auto joined = *join(*store, "demo", NodeId(1));
    EXPECT_EQ(joined.group.epoch, Epoch(life)) << "[P6] no epoch is resumed";
    EXPECT_EQ(joined.group.primary, NodeId(1));
    EXPECT_EQ(joined.group.incarnation, joined.incarnation);
    EXPECT_EQ(joined.incarnation.value, joined.session->rev());  // [S1]
    EXPECT_GT(joined.incarnation, last);
    last = joined.incarnation;
    const ClusterView view = *read_view(*store);
    EXPECT_EQ(view.nodes.at(NodeId(1)).incarnation, joined.incarnation);
    EXPECT_EQ(view.groups.at(GroupId(1)), joined.group);
  }
  EXPECT_FALSE(read_view(*store)->nodes.contains(NodeId(1)));
}

TEST_F(Membership, WhoMayNotJoinIsToldWhy) {
  EXPECT_EQ(join(*store, "demo", NodeId(1)).status(), Status::no_entry) << "not initialised";
  init();
  EXPECT_EQ(join(*store, "other", NodeId(1)).status(), Status::foreign);
  EXPECT_EQ(join(*store, "demo", NodeId(9)).status(), Status::no_entry);
  auto joined = join(*store, "demo", NodeId(1));
  ASSERT_TRUE(joined);
  auto second = open_sqlite_cluster_store(dir.file("db"));
  const auto twin = join(**second, "demo", NodeId(1));
  EXPECT_EQ(twin.status(), Status::busy);
  EXPECT_EQ(read_view(*store)->groups.at(GroupId(1)).epoch, Epoch(1)) << "a twin changes nothing";
  ASSERT_TRUE(store->txn({}, {{StoreOp::Kind::put, "pg/2", "{}", 0}}));
  EXPECT_EQ(join(*store, "demo", NodeId(2)).status(), Status::corrupt);
}

TEST_F(Membership, S3_TakingOverIsGuardedByTheOwnSession) {
  init();
  auto old = *join(*store, "demo", NodeId(1));
  // Another life has replaced it (its machine lost the lock file, say).
  ASSERT_TRUE(store->txn({}, {{StoreOp::Kind::put, "node/1", "new", 0}}));
  EXPECT_TRUE(old.session->lost());
  EXPECT_EQ(take_over(*store, GroupId(1), NodeId(1), old.incarnation).status(), Status::gone);
  EXPECT_EQ(take_over(*store, GroupId(2), NodeId(1), old.incarnation).status(), Status::invalid);
  EXPECT_EQ(take_over(*store, GroupId(9), NodeId(1), old.incarnation).status(), Status::no_entry);
  EXPECT_EQ(read_view(*store)->groups.at(GroupId(1)).epoch, Epoch(1));
}

TEST_F(Membership, ViewsFollowTheStoreAlsoOverAGap) {
  init();
  std::mutex mutex;
  std::optional<ClusterView> seen;
  auto watching = watch_view(*store, [&](const ClusterView& view) {
    std::lock_guard lock(mutex);
    if (seen) {
      EXPECT_GE(view.rev, seen->rev);
    }
    seen = view;
  });
  ASSERT_TRUE(watching);
  const auto current = [&] {
    const ClusterView there = *read_view(*store);
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < until) {
      {
        std::lock_guard lock(mutex);
        if (seen == there) return true;
      }
      std::this_thread::sleep_for(2ms);
    }
    return false;
  };
  EXPECT_TRUE(current());
  auto second = *open_sqlite_cluster_store(dir.file("db"));
  for (int round = 0; round < 3; ++round) {
    auto one = *join(*second, "demo", NodeId(1));
    auto two = *join(*second, "demo", NodeId(2));
    if (round == 1) {
      ASSERT_TRUE(second->compact(second->list("")->rev));
    }
    EXPECT_TRUE(current());
    ASSERT_TRUE(init_cluster(*second, kDemo, {member(1, std::uint16_t(8000 + round))}));
    EXPECT_TRUE(current());
  }
  EXPECT_TRUE(current());
  EXPECT_TRUE(seen->nodes.empty());
}

// Lives come and go for years: what they leave in the store for watchers is bounded.
TEST(Join, ManyLivesLeaveABoundedHistory) {
  TempDir dir;
  auto store = *open_sqlite_cluster_store(dir.file("db"));
  ASSERT_TRUE(init_cluster(*store, kDemo, {member(1, 7001)}));
  const auto told_from_the_start = [&] {  // whether a watch from nothing gets all events
    std::mutex mutex;
    std::optional<bool> reset;
    const auto watch = *store->watch("", 0, [&](const StoreBatch& batch) {
      std::lock_guard lock(mutex);
      reset = batch.reset;
    });
    for (int i = 0; i < 5000; ++i) {
      std::this_thread::sleep_for(2ms);
      std::lock_guard lock(mutex);
      if (reset) return !*reset;
    }
    return false;
  };
  EXPECT_TRUE(told_from_the_start());
  for (int life = 0; life < 30; ++life) ASSERT_TRUE(join(*store, "demo", NodeId(1)));
  EXPECT_FALSE(told_from_the_start());
  EXPECT_EQ(read_view(*store)->members.size(), 1u);
}

TEST(Fold, DropsWhatItHasAndKeepsWhatDoesNotDecode) {
  ClusterView view;
  const auto put = [](StoreRev rev, std::string key, std::string value) {
    return StoreEvent{false, {std::move(key), std::move(value), rev, rev, 0}};
  };
  ASSERT_TRUE(
      fold(view, {5, false, {put(4, "member/1", encode(member(1))), put(5, "node/1", "")}}));
  EXPECT_EQ(view.rev, 5u);
  EXPECT_EQ(view.nodes.at(NodeId(1)).incarnation, Incarnation(5));
  ASSERT_TRUE(fold(view, {5, false, {put(5, "node/2", "")}}));
  EXPECT_FALSE(view.nodes.contains(NodeId(2)));
  const StoreEvent gone{true, {"node/1", "", 0, 7, 0}};
  EXPECT_EQ(fold(view, {7, false, {put(6, "member/1", "{}"), gone}}).status(), Status::corrupt);
  EXPECT_EQ(view.members.at(NodeId(1)), member(1));
  EXPECT_TRUE(view.nodes.empty());
  EXPECT_FALSE(fold(view, {8, false, {put(8, "member/2", encode(member(1)))}})) << "of another";
  EXPECT_FALSE(fold(view, {9, false, {put(9, "node/x", "")}}));
  EXPECT_TRUE(fold(view, {10, false, {put(10, "left/1", "5"), put(10, "x", "")}}));
  EXPECT_EQ(view.rev, 10u);
}

}  // namespace
}  // namespace dspm::test
