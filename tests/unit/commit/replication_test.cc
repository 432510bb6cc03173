// Three members of one group, told as stories: order, acknowledgement, decision, restart.
#include <gtest/gtest.h>

#include <deque>

#include "commit/group.h"

namespace dspm::commit {
namespace {

constexpr Ino kIno{42};
constexpr GroupId kGroup{1};
constexpr NodeId kA{1}, kB{2}, kC{3};

struct Cached final : KernelCopies {
  void kernel_copies(Ino ino, const PageRun& pages, std::vector<KernelCopy>& out) const override {
    for (const KernelCopy& copy : copies)
      if (copy.ino == ino && pages.contains(copy.page)) out.push_back(copy);
  }
  std::vector<KernelCopy> copies;
};

class Replication : public ::testing::Test {
 protected:
  struct Member {
    Cached cached;
    std::unique_ptr<Group> group;
    std::vector<RecordRef> log;  // all that was appended
    bool durable = true;         // at once; else when let()
    bool reachable = true;
    std::vector<Published> published;
    std::vector<KernelCopy> reported;
    std::vector<std::variant<Decided, Done, Refused>> answers;
  };
  Replication() {
    for (std::uint32_t n = 1; n <= 3; ++n) make(NodeId(n), {});
    begin(Epoch(1));
  }
  ~Replication() override {
    for (auto& [n, member] : members) member.group->check_invariants();
  }

  void make(NodeId node, ReplicaState state) {
    members[node].group =
        std::make_unique<Group>(kGroup, node, std::move(state), members[node].cached, nullptr);
  }
  void begin(Epoch epoch, std::map<NodeId, Incarnation> live = {}) {
    for (auto& [node, member] : members) {
      GroupEffects out;
      member.group->begin({epoch, kA, {kA, kB, kC}, live}, now, out);
      perform(node, out);
    }
    for (const NodeId node : {kB, kC}) up(node);
  }
  void up(NodeId node) {
    GroupEffects out;
    members[kA].group->peer_up(node, Incarnation(node.value), out);
    perform(kA, out);
    run();
  }
  void perform(NodeId node, GroupEffects& out) {
    Member& self = members[node];
    for (GroupEffect& effect : out) {
      if (auto* send = std::get_if<GroupSend>(&effect)) {
        net.push_back({node, std::move(*send)});
      } else if (auto* append = std::get_if<AppendRecord>(&effect)) {
        self.log.push_back(append->record);
        if (self.durable) logs.push_back({node, append->record->lsn});
      } else if (auto* published = std::get_if<Published>(&effect)) {
        self.published.push_back(*published);
      } else if (auto* sharer = std::get_if<SharerReported>(&effect)) {
        self.reported.push_back(sharer->copy);
      }
    }
  }
  void run() {
    while (!net.empty() || !logs.empty()) {
      GroupEffects out;
      NodeId at;
      if (!net.empty()) {
        auto [from, sent] = std::move(net.front());
        net.pop_front();
        at = sent.to;
        if (!members[from].reachable || !members[at].reachable) continue;
        std::visit([&, from = from](auto& m) { deliver(from, at, m, out); }, sent.message);
      } else {
        at = logs.front().first;
        members[at].group->durable(logs.front().second, now, out);
        logs.pop_front();
      }
      perform(at, out);
    }
  }
  template <class M>
  void deliver(NodeId from, NodeId at, M& m, GroupEffects& out) {
    if constexpr (std::is_same_v<M, Decided> || std::is_same_v<M, Done> ||
                  std::is_same_v<M, Refused>) {
      members[at].answers.push_back(m);
    } else if constexpr (!std::is_same_v<M, Drop>) {
      members[at].group->take(from, m, now, out);
    }
  }
  void commit(std::uint64_t n, char c) {
    Commit m{kGroup, members[kA].group->epoch(), {kB, Incarnation(2), n}, 1, 1, false, {}};
    m.change.ino = kIno;
    m.change.extents = {{0, Bytes(2, std::byte(c))}};
    GroupEffects out;
    members[kA].group->commit(kB, m, out);
    perform(kA, out);
    run();
  }
  void tell() {
    now += kTellDecided;
    GroupEffects out;
    members[kA].group->tick(now, out);
    perform(kA, out);
    run();
  }
  // The member dies and comes back with this much of its log.
  void restart(NodeId node, std::size_t records, std::size_t applied = 0) {
    Member& member = members[node];
    ReplicaState state;
    member.log.resize(records);
    for (std::size_t i = 0; i < records; ++i) {
      if (i >= applied) {
        state.records.push_back(member.log[i]);
        continue;
      }
      state.frames.fold(*member.log[i]);
      state.outcomes.apply(*member.log[i]);
      state.applied = member.log[i]->lsn;
    }
    member.published.clear();
    make(node, std::move(state));
  }
  char byte(NodeId node) { return char(members[node].group->page(kIno, PageNo(0)).bytes->data[0]); }

  std::map<NodeId, Member> members;
  std::deque<std::pair<NodeId, GroupSend>> net;
  std::deque<std::pair<NodeId, Lsn>> logs;
  Time now{};
};

TEST_F(Replication, C2_DecidedWhenItIsOnEveryMember) {
  members[kC].durable = false;
  commit(1, 'x');
  EXPECT_TRUE(members[kA].published.empty()) << "not durable on one of three";
  GroupEffects out;
  members[kC].group->durable(members[kC].log.back()->lsn, now, out);
  perform(kC, out);
  run();
  EXPECT_EQ(members[kA].published.size(), 1u);
  EXPECT_EQ(byte(kA), 'x');
}

TEST_F(Replication, C3_BackupsFoldWhenTheyAreTold) {
  commit(1, 'x');
  EXPECT_EQ(byte(kB), '\0') << "its own acknowledgement decides nothing";
  EXPECT_FALSE(members[kB].group->may_read(kIno)) << "[F2] an undecided record";
  tell();
  EXPECT_EQ(byte(kB), 'x');
  EXPECT_EQ(byte(kC), 'x');
  EXPECT_TRUE(members[kB].group->may_read(kIno));
}

TEST_F(Replication, C5_AnAcknowledgementSaysWhatThatKernelHas) {
  members[kB].cached.copies = {{kIno, PageNo(0), Lsn(Epoch(1), 1)}, {kIno, PageNo(9), {}}};
  commit(1, 'x');
  ASSERT_EQ(members[kA].reported.size(), 1u) << "of the record's pages only";
  EXPECT_EQ(members[kA].reported[0].version, Lsn(Epoch(1), 1));
}

TEST_F(Replication, E7_AnAcknowledgementThatOvertookTheOneBeforeDecidesNothing) {
  members[kB].cached.copies = {{kIno, PageNo(0), Lsn(Epoch(1), 1)}};
  members[kC].reachable = false;
  commit(1, 'x');
  members[kA].reported.clear();
  GroupEffects out;
  AppendAck late{kGroup, Epoch(1), Lsn(Epoch(1), 3), Lsn(Epoch(1), 3), {}, {}};
  members[kA].group->take(kC, late, now, out);
  EXPECT_TRUE(members[kA].published.empty());
  const bool asked = std::any_of(out.begin(), out.end(), [](const GroupEffect& e) {
    const auto* send = std::get_if<GroupSend>(&e);
    return send != nullptr && std::holds_alternative<Collect>(send->message);
  });
  EXPECT_FALSE(asked) << "of a record that we have not";
}

TEST_F(Replication, M1_WhatWasLostOnTheWayIsStreamedAgain) {
  members[kC].reachable = false;
  commit(1, 'x');
  commit(2, 'y');
  EXPECT_TRUE(members[kA].published.empty());
  members[kC].reachable = true;
  up(kC);
  EXPECT_EQ(members[kA].published.size(), 2u);
  EXPECT_EQ(byte(kA), 'y');
}

TEST_F(Replication, A15_AGapIsNotTaken) {
  commit(1, 'x');
  tell();
  const std::size_t before = members[kC].log.size();
  auto record = std::make_shared<Record>(*members[kA].log.back());
  record->previous = Lsn(Epoch(1), record->lsn.sequence() + 3);
  record->lsn = Lsn(Epoch(1), record->lsn.sequence() + 4);
  GroupEffects out;
  members[kC].group->take(
      kA, Append{kGroup, Epoch(1), record->previous, record->lsn, {record}, false}, now, out);
  perform(kC, out);
  EXPECT_EQ(members[kC].log.size(), before);
  EXPECT_EQ(byte(kC), 'x');
}

TEST_F(Replication, A5_TheTailIsDecidedWithTheView) {
  members[kC].reachable = false;
  commit(1, 'x');
  EXPECT_TRUE(members[kA].published.empty());
  restart(kA, members[kA].log.size());
  members[kC].reachable = true;
  begin(Epoch(2));
  ASSERT_EQ(members[kA].published.size(), 1u);
  EXPECT_EQ(byte(kA), 'x');
  EXPECT_TRUE(members[kA].group->open());
  EXPECT_EQ(members[kA].log.back()->kind, RecordKind::view);
  EXPECT_EQ(members[kA].log.back()->lsn.epoch(), Epoch(2)) << "[P6] [A11]";
}

TEST_F(Replication, L5_AllMembersMustAnswerFirst) {
  restart(kA, members[kA].log.size());
  members[kC].reachable = false;
  begin(Epoch(2));
  EXPECT_FALSE(members[kA].group->open());
  EXPECT_NE(members[kA].group->trouble().find("n3"), std::string::npos);
  members[kC].reachable = true;
  up(kC);
  EXPECT_TRUE(members[kA].group->open());
}

TEST_F(Replication, E2_WhatTheOwnLogLacksIsFetched) {
  commit(1, 'x');
  commit(2, 'y');
  tell();
  restart(kA, 2);  // the View and the first: the rest of the log is damaged
  begin(Epoch(2));
  EXPECT_TRUE(members[kA].group->open());
  EXPECT_EQ(byte(kA), 'y');
}

TEST_F(Replication, A6_ADifferentTailIsCutFromItsFirstDifference) {
  members[kB].reachable = members[kC].reachable = false;
  commit(1, 'x');  // only here; then this log is lost behind the View
  restart(kA, 1);
  members[kB].reachable = members[kC].reachable = true;
  begin(Epoch(2));
  commit(2, 'z');
  tell();
  for (const NodeId node : {kA, kB, kC}) EXPECT_EQ(byte(node), 'z');
}

TEST_F(Replication, A6_ABackupsTailThatNobodyElseHasIsTakenOver) {
  members[kA].durable = false;  // the primary's own log is slow
  commit(1, 'x');
  EXPECT_TRUE(members[kA].published.empty());
  restart(kA, 1);
  members[kA].durable = true;
  begin(Epoch(2));
  EXPECT_EQ(byte(kA), 'x') << "two of three have it: not decided, but it may be";
  ASSERT_EQ(members[kA].published.size(), 1u);
}

TEST_F(Replication, C7_ACommitThatAnEarlierLifeDecidedIsDoneOnce) {
  commit(1, 'x');
  tell();
  restart(kA, members[kA].log.size(), members[kA].log.size());
  begin(Epoch(2));
  members[kB].answers.clear();
  commit(1, 'x');
  ASSERT_EQ(members[kB].answers.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Done>(members[kB].answers[0]));
  EXPECT_TRUE(members[kA].published.empty()) << "nothing took effect again";
}

TEST_F(Replication, L5_DoneWaitsUntilEverybodyHasDropped) {
  restart(kA, members[kA].log.size());
  begin(Epoch(2), {{kB, Incarnation(2)}, {NodeId(4), Incarnation(4)}});
  members[kB].answers.clear();
  commit(1, 'x');
  GroupEffects out;
  members[kA].group->settled({kB, Incarnation(2), 1}, out);
  members[kA].group->take(kB, Dropped{kGroup, Epoch(2)}, now, out);
  perform(kA, out);
  run();
  ASSERT_FALSE(members[kB].answers.empty());
  for (const auto& answer : members[kB].answers)
    EXPECT_TRUE(std::holds_alternative<Decided>(answer)) << "node 4 may still show old bytes";
  out.clear();
  members[kA].group->peer_up(NodeId(4), Incarnation(40), out);  // its next life
  perform(kA, out);
  run();
  EXPECT_TRUE(std::holds_alternative<Done>(members[kB].answers.back()));
}

TEST_F(Replication, F2_ABackupOfANewEpochReadsOnlyWhenItHasHeardItsPrimary) {
  commit(1, 'x');
  tell();
  EXPECT_TRUE(members[kB].group->may_read(kIno));
  members[kB].reachable = false;
  restart(kA, members[kA].log.size());
  begin(Epoch(2));
  EXPECT_FALSE(members[kB].group->may_read(kIno)) << "[A1]";
  members[kB].reachable = true;
  up(kB);
  EXPECT_TRUE(members[kB].group->may_read(kIno));
}

TEST_F(Replication, P10_ACommitLargerThanItsShareIsRefusedAndASmallerWaits) {
  for (auto& [node, member] : members) {
    ReplicaState state;
    state.space.log_bytes = 4000;
    member.log.clear();
    make(node, std::move(state));
  }
  begin(Epoch(2));
  const auto with = [&](std::uint64_t n, std::size_t bytes) {
    Commit m{kGroup, Epoch(2), {kB, Incarnation(2), n}, 1, 1, false, {}};
    m.change.ino = kIno;
    m.change.extents = {{0, Bytes(bytes, std::byte('x'))}};
    GroupEffects out;
    members[kA].group->commit(kB, m, out);
    perform(kA, out);
    run();
  };
  with(1, 5000);
  ASSERT_EQ(members[kB].answers.size(), 1u);
  EXPECT_EQ(std::get<Refused>(members[kB].answers[0]).reason, Status::no_space);
  with(2, 2000);
  with(3, 2000);
  EXPECT_EQ(members[kA].published.size(), 1u) << "the second waits for a checkpoint";
  tell();
  for (auto& [node, member] : members) {
    GroupEffects out;
    member.group->trimmed(member.group->replica().applied(), out);
    perform(node, out);
    run();
  }
  EXPECT_EQ(members[kA].published.size(), 2u);
}

}  // namespace
}  // namespace dspm::commit
