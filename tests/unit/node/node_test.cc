// Three nodes over a network of queues: what they say to each other, and when [M1]-[M3].
#include "fs/node.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "fs/outbox.h"

namespace dspm::fs {
namespace {

constexpr Ino kIno{42};
constexpr GroupId kGroup{1};

class Cluster : public ::testing::Test {
 protected:
  struct Sent {
    NodeId from, to;
    Message message;
  };
  Cluster() {
    for (std::uint32_t n = 1; n <= 3; ++n) {
      NodeOptions options;
      options.self = NodeId(n);
      options.incarnation = Incarnation(n * 10);
      nodes[n] = std::make_unique<Node>(options);
    }
    for (std::uint32_t a = 1; a <= 3; ++a) {
      for (std::uint32_t b = 1; b <= 3; ++b) {
        step(a, PeerUp{NodeId(b), Incarnation(b * 10)});
      }
      step(a, ObjectLearnt{kIno, kGroup});
    }
  }
  void learn(std::uint32_t node, std::uint32_t epoch = 1) {
    step(node,
         GroupLearnt{kGroup, Epoch(epoch), NodeId(1), Incarnation(lives[1]), {NodeId(1)}, {}});
  }
  // Node 1 dies with all it had and comes back; the others hear of it one by one.
  void restart_home() {
    lives[1] = 11;
    NodeOptions options;
    options.self = NodeId(1);
    options.incarnation = Incarnation(11);
    nodes[1] = std::make_unique<Node>(options);
    std::erase_if(net, [](const Sent& m) { return m.from == NodeId(1) || m.to == NodeId(1); });
    for (std::uint32_t n = 1; n <= 3; ++n) {
      step(1, PeerUp{NodeId(n), Incarnation(lives[n])});
      if (n > 1) step(n, PeerUp{NodeId(1), Incarnation(11)});
    }
    step(1, ObjectLearnt{kIno, kGroup});
    for (std::uint32_t n = 1; n <= 3; ++n) learn(n, 2);
    run();
  }
  void learn_all() {
    for (std::uint32_t n = 1; n <= 3; ++n) learn(n);
    run();
  }
  void step(std::uint32_t n, const NodeEvent& event) {
    NodeEffects effects;
    nodes[n]->step(event, now, effects);
    nodes[n]->check_invariants();
    for (NodeEffect& effect : effects) {
      if (auto* send = std::get_if<SendTo>(&effect)) {
        net.push_back({NodeId(n), send->to, std::move(send->message)});
      } else if (const auto* answer = std::get_if<dsm::KernelAnswer>(&effect)) {
        answers[n].push_back(*answer);
      } else if (const auto* job = std::get_if<dsm::Job>(&effect)) {
        jobs.push_back({n, {job->ticket, job->ino}});
      } else {
        logs.push_back({n, std::get<WriteLog>(effect).record->lsn});
      }
    }
  }
  // Delivers, lets notifies return and logs become durable, until nothing is under way.
  void run() {
    while (!net.empty() || !jobs.empty() || !logs.empty()) {
      if (!net.empty()) {
        const Sent m = net.front();
        net.pop_front();
        step(m.to.value, FromPeer{m.from, Incarnation(lives[m.from.value]), m.message});
      } else {
        local_step();
      }
    }
  }
  // The oldest log record becomes durable, or, where there is none, the oldest notify returns.
  void local_step() {
    if (!logs.empty()) {
      const auto log = logs.front();
      logs.pop_front();
      step(log.first, LogDurable{kGroup, log.second});
    } else {
      const auto job = jobs.front();
      jobs.pop_front();
      step(job.first, job.second);
    }
  }
  void kernel(std::uint32_t n, const dsm::KernelEvent& event) { step(n, FromKernel{event}); }
  void write(std::uint32_t n, std::uint64_t offset, const std::string& s) {
    kernel(n, dsm::WriteRequest{.unique = Unique(++unique),
                                .ino = kIno,
                                .offset = offset,
                                .bytes = std::as_bytes(std::span(s.data(), s.size())),
                                .stamp = {1}});
  }
  void sync(std::uint32_t n) { kernel(n, dsm::SyncRequest{Unique(++unique), kIno}); }
  std::string read(std::uint32_t n, std::size_t bytes) {
    kernel(n, dsm::ReadRequest{Unique(++unique), kIno, 0, kPageSize});
    run();
    const auto* answer = std::get_if<dsm::ReadAnswer>(&answers[n].back());
    if (answer == nullptr || answer->size < bytes) return "no answer";
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i) text += char(answer->pages.at(0)->data[i]);
    return text;
  }
  bool answered(std::uint32_t n) const {
    const auto it = answers.find(n);
    if (it == answers.end() || it->second.empty()) return false;
    const auto* plain = std::get_if<dsm::PlainAnswer>(&it->second.back());
    return plain != nullptr && plain->unique == Unique(unique) && plain->status == Status::ok;
  }

  Time now{};
  std::uint64_t unique = 0;
  std::map<std::uint32_t, std::uint64_t> lives{{1, 10}, {2, 20}, {3, 30}};
  std::map<std::uint32_t, std::unique_ptr<Node>> nodes;
  std::map<std::uint32_t, std::vector<dsm::KernelAnswer>> answers;
  std::deque<Sent> net;
  std::deque<std::pair<std::uint32_t, dsm::JobDone>> jobs;
  std::deque<std::pair<std::uint32_t, Lsn>> logs;
};

TEST_F(Cluster, WhatOneCommitsTheOthersRead) {
  learn_all();
  write(2, 0, "hello");
  sync(2);
  run();
  EXPECT_TRUE(answered(2));
  EXPECT_EQ(read(1, 5), "hello");
  EXPECT_EQ(read(3, 5), "hello");
}

TEST_F(Cluster, C3_FsyncReturnsWhenEverySharerHasDropped) {
  learn_all();
  write(2, 0, "hello");
  sync(2);
  run();
  EXPECT_EQ(read(3, 5), "hello");
  write(2, 0, "HE");
  sync(2);
  while (!net.empty() || !logs.empty()) {
    auto held = std::exchange(jobs, {});
    if (!logs.empty()) {
      local_step();
    } else {
      const Sent m = net.front();
      net.pop_front();
      step(m.to.value, FromPeer{m.from, Incarnation(m.from.value * 10), m.message});
    }
    jobs.insert(jobs.begin(), held.begin(), held.end());
  }
  EXPECT_FALSE(jobs.empty());
  EXPECT_FALSE(answered(2)) << "n3's kernel has old bytes";
  run();
  EXPECT_TRUE(answered(2));
  EXPECT_EQ(read(3, 5), "HEllo");
}

TEST_F(Cluster, BytesOfTwoNodesInOnePageAreMerged) {
  learn_all();
  write(1, 0, "....");
  sync(1);
  run();
  write(2, 0, "a");
  write(3, 3, "b");
  sync(2);
  sync(3);
  run();
  for (std::uint32_t n = 1; n <= 3; ++n) EXPECT_EQ(read(n, 4), "a..b") << n;
}

TEST_F(Cluster, M1_WhatWasLostWithAConnectionIsSentAgain) {
  learn_all();
  write(2, 0, "hello");
  sync(2);
  net.clear();  // the connection breaks with everything in it
  step(2, PeerUp{NodeId(1), Incarnation(10)});
  step(1, PeerUp{NodeId(2), Incarnation(20)});
  run();
  EXPECT_TRUE(answered(2));
  EXPECT_EQ(read(3, 5), "hello");
}

TEST_F(Cluster, M1_EveryMessageMayComeTwice) {
  learn_all();
  write(2, 0, "hello");
  sync(2);
  while (!net.empty() || !jobs.empty() || !logs.empty()) {
    if (!net.empty()) {
      const Sent m = net.front();
      step(m.to.value, FromPeer{m.from, Incarnation(m.from.value * 10), m.message});
      net.pop_front();
      step(m.to.value, FromPeer{m.from, Incarnation(m.from.value * 10), m.message});
    } else {
      local_step();
    }
  }
  EXPECT_TRUE(answered(2));
  EXPECT_EQ(read(1, 5), "hello");
}

TEST_F(Cluster, M1_AMessageOfADeadConnectionIsNotTaken) {
  learn_all();
  step(1, FromPeer{NodeId(2), Incarnation(19), dsm::FetchAttr{kGroup, Epoch(1), kIno, 1}});
  EXPECT_TRUE(net.empty());
}

TEST_F(Cluster, M2_AMessageOfAHigherEpochWaits) {
  step(1, FromPeer{NodeId(2), Incarnation(20), dsm::FetchAttr{kGroup, Epoch(1), kIno, 1}});
  EXPECT_TRUE(net.empty());
  learn(1);
  EXPECT_TRUE(net.empty()) << "[A18] nor before the View is decided";
  step(1, LogDurable{kGroup, Lsn(Epoch(1), 1)});
  ASSERT_EQ(net.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<dsm::Attr>(net[0].message));
}

TEST_F(Cluster, F2_OnlyTheOpenPrimaryAnswers) {
  learn_all();
  step(2, FromPeer{NodeId(3), Incarnation(30), dsm::FetchAttr{kGroup, Epoch(1), kIno, 1}});
  EXPECT_TRUE(net.empty());
}

TEST_F(Cluster, M2_AMessageOfALowerEpochIsRefusedAndCounted) {
  learn(1, 2);
  step(1, FromPeer{NodeId(2), Incarnation(20), dsm::FetchAttr{kGroup, Epoch(1), kIno, 1}});
  EXPECT_TRUE(net.empty());
  EXPECT_EQ(nodes[1]->counters().stale_epochs, 1u);
}

TEST(OutboxTest, M3_WhatRestsOnARecordWaitsUntilItIsDurable) {
  Outbox outbox;
  outbox.keeps(kGroup, Lsn());
  Outbox::Ready ready;
  const Lsn lsn(Epoch(1), 5);
  commit::Settlement settlement;
  settlement.version = lsn;
  outbox.send(NodeId(2), commit::Done{kGroup, Epoch(1), kIno, {}, settlement}, ready);
  outbox.send(NodeId(2),
              dsm::Data{kGroup, Epoch(1), kIno, 1, {}, false, {}, {{PageNo(0), lsn, zero_page()}}},
              ready);
  EXPECT_TRUE(ready.empty());
  outbox.send(NodeId(2), dsm::Inval{kGroup, Epoch(1), kIno, lsn, {}, {}}, ready);
  outbox.send(NodeId(2), dsm::Fetch{kGroup, Epoch(1), kIno, 1, {}, {}}, ready);
  EXPECT_EQ(ready.size(), 2u) << "Inval and Fetch wait for nothing";
  ready.clear();
  outbox.durable(kGroup, Lsn(Epoch(1), 4), ready);
  EXPECT_TRUE(ready.empty());
  outbox.durable(kGroup, lsn, ready);
  EXPECT_EQ(ready.size(), 2u);
  EXPECT_EQ(outbox.held(), 0u);
}

TEST(OutboxTest, M3_AnotherGroupsLogIsNotOurs) {
  Outbox outbox;
  outbox.keeps(kGroup, Lsn());
  Outbox::Ready ready;
  commit::Settlement settlement;
  settlement.version = Lsn(Epoch(1), 5);
  outbox.send(NodeId(2), commit::Done{GroupId(9), Epoch(1), kIno, {}, settlement}, ready);
  EXPECT_EQ(ready.size(), 1u);
}

TEST_F(Cluster, P6_WhatOthersStagedIsCommittedAnewAtAHomeThatBeganAgain) {
  learn_all();
  write(2, 0, "a");
  sync(2);
  run();
  ASSERT_TRUE(answered(2));
  EXPECT_EQ(read(3, 1), "a");
  write(2, 0, "b");
  restart_home();
  sync(2);
  run();
  EXPECT_TRUE(answered(2));
  EXPECT_EQ(read(3, 1), "b") << "its copy from the old life is gone";
}

}  // namespace
}  // namespace dspm::fs
