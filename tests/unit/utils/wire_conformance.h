// What every implementation of the Wire port must do; tests of a rule name it: [M1], [M4]. A Net is
// a few nodes that know each other:
//   explicit Net();                                  nothing runs
//   void start(NodeId, Incarnation, std::string cluster);   also restarts; tells all who is where
//   void stop(NodeId);                               the node's death
//   void freeze(NodeId, bool);                       as by SIGSTOP, SIGCONT
//   bool run_until(std::function<bool()>, Duration limit);  all nodes go on; false: limit reached
//   void run_for(Duration);
//   Wire& wire(NodeId); Recorder& seen(NodeId); Time now(); std::vector<Peer> peers();
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/utils/wire_recorder.h"
#include "utils/base/limits.h"
#include "utils/net/wire.h"

namespace dspm::test {

template <class Net>
class WireConformance : public ::testing::Test {
 protected:
  static constexpr NodeId kA{1}, kB{2}, kC{3};

  void connect() {
    net.start(kA, Incarnation(10), "c");
    net.start(kB, Incarnation(20), "c");
    ASSERT_TRUE(net.run_until([&] { return both_up(); }, 10s));
  }
  bool both_up() { return net.wire(kA).up(kB) && net.wire(kB).up(kA); }
  PeerStatus of(NodeId node, NodeId peer) {
    for (const PeerStatus& s : net.wire(node).status().peers) {
      if (s.node == peer) return s;
    }
    ADD_FAILURE() << "no status of " << peer;
    return {};
  }
  std::uint64_t ended(NodeId node, WireEnd why) { return net.wire(node).status().ended(why); }

  Net net;
};
TYPED_TEST_SUITE_P(WireConformance);

TYPED_TEST_P(WireConformance, BothSidesComeUpWithTheOthersIncarnation_M1) {
  this->connect();
  auto& net = this->net;
  EXPECT_EQ(net.seen(this->kA).up[this->kB], Incarnation(20));
  EXPECT_EQ(net.seen(this->kB).up[this->kA], Incarnation(10));
  EXPECT_EQ(net.wire(this->kA).up(this->kB), Incarnation(20));
  EXPECT_EQ(this->of(this->kA, this->kB).state, PeerState::up);
  EXPECT_FALSE(net.wire(this->kA).up(this->kC));
  EXPECT_FALSE(net.wire(this->kA).send(this->kC, bytes_of("nobody")));
}

TYPED_TEST_P(WireConformance, DeliversInOrderBothWays) {
  this->connect();
  auto& net = this->net;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(net.wire(this->kA).send(this->kB, bytes_of("a" + std::to_string(i))));
    ASSERT_TRUE(net.wire(this->kB).send(this->kA, bytes_of("b" + std::to_string(i))));
  }
  auto& at_a = net.seen(this->kA).got[this->kB];
  auto& at_b = net.seen(this->kB).got[this->kA];
  ASSERT_TRUE(net.run_until([&] { return at_a.size() == 1000 && at_b.size() == 1000; }, 10s));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(at_b[size_t(i)], "a" + std::to_string(i));
    ASSERT_EQ(at_a[size_t(i)], "b" + std::to_string(i));
  }
  EXPECT_EQ(this->of(this->kA, this->kB).messages_sent, 1000u);
  EXPECT_EQ(this->of(this->kB, this->kA).messages_received, 1000u);
}

TYPED_TEST_P(WireConformance, SendsPayloadsBehindTheHeadAndHoldsThemUntilTheyHaveLeft) {
  this->connect();
  auto& net = this->net;
  constexpr std::size_t kPages = 3000;  // more pieces than one system call takes
  auto pages = std::make_shared<Bytes>(kPages * kPageSize);
  for (std::size_t i = 0; i < pages->size(); ++i) (*pages)[i] = std::byte(i * 7 + i / kPageSize);
  std::vector<Payload> payloads;
  for (std::size_t i = 0; i < kPages; ++i) {
    payloads.push_back({pages, ByteSpan(*pages).subspan(i * kPageSize, kPageSize)});
  }
  payloads.push_back({pages, {}});
  ASSERT_TRUE(net.wire(this->kA).send(this->kB, bytes_of("head"), std::move(payloads)));
  ASSERT_TRUE(net.wire(this->kA).send(this->kB, {}, {{pages, ByteSpan(*pages).first(5)}}));
  ASSERT_TRUE(net.wire(this->kA).send(this->kB, {}));
  auto& got = net.seen(this->kB).got[this->kA];
  ASSERT_TRUE(net.run_until([&] { return got.size() == 3; }, 10s));
  EXPECT_TRUE(got[0] == "head" + text_of(*pages));
  EXPECT_EQ(got[1], text_of(ByteSpan(*pages).first(5)));
  EXPECT_EQ(got[2], "");
  EXPECT_EQ(pages.use_count(), 1);
}

TYPED_TEST_P(WireConformance, AnswersMayBeSentFromWithinTheEvent) {
  this->connect();
  auto& net = this->net;
  net.seen(this->kB).answer = [&](NodeId from, ByteSpan message) {
    EXPECT_TRUE(net.wire(this->kB).send(from, bytes_of("re: " + text_of(message))));
  };
  for (int i = 0; i < 10; ++i) net.wire(this->kA).send(this->kB, bytes_of(std::to_string(i)));
  auto& got = net.seen(this->kA).got[this->kB];
  ASSERT_TRUE(net.run_until([&] { return got.size() == 10; }, 10s));
  EXPECT_EQ(got[9], "re: 9");
}

TYPED_TEST_P(WireConformance, ABreakLosesWhatWasUnderWayAndComesUpAgain_M1) {
  this->connect();
  auto& net = this->net;
  net.freeze(this->kB, true);
  ASSERT_TRUE(net.wire(this->kA).send(this->kB, bytes_of("lost or not")));
  const std::vector<Peer> peers = net.peers();
  net.wire(this->kA).set_peers({});  // ends the connection
  EXPECT_FALSE(net.wire(this->kA).up(this->kB));
  EXPECT_FALSE(net.wire(this->kA).send(this->kB, bytes_of("lost")));
  EXPECT_EQ(net.seen(this->kA).downs[this->kB], 0) << "an event within a call";
  net.freeze(this->kB, false);
  ASSERT_TRUE(net.run_until([&] { return net.seen(this->kB).downs[this->kA] == 1; }, 10s));
  EXPECT_EQ(net.seen(this->kA).downs[this->kB], 1);
  net.wire(this->kA).set_peers(peers);
  ASSERT_TRUE(net.run_until([&] { return this->both_up(); }, 10s));
  EXPECT_EQ(net.seen(this->kA).ups[this->kB], 2);
  EXPECT_EQ(net.seen(this->kB).ups[this->kA], 2);
  ASSERT_TRUE(net.wire(this->kA).send(this->kB, bytes_of("again")));
  auto& got = net.seen(this->kB).got[this->kA];
  ASSERT_TRUE(net.run_until([&] { return !got.empty() && got.back() == "again"; }, 10s));
  EXPECT_LE(got.size(), 2u) << "the wire sends nothing twice by itself";
  EXPECT_EQ(this->ended(this->kA, WireEnd::removed), 1u);
}

TYPED_TEST_P(WireConformance, ARestartedPeerComesUpWithItsNewIncarnation_M1) {
  this->connect();
  auto& net = this->net;
  for (const auto& [node, peer, life] : {std::tuple(this->kB, this->kA, Incarnation(21)),
                                         std::tuple(this->kA, this->kB, Incarnation(11))}) {
    net.stop(node);
    ASSERT_TRUE(net.run_until([&] { return !net.wire(peer).up(node); }, 10s));
    net.start(node, life, "c");
    ASSERT_TRUE(net.run_until([&] { return this->both_up(); }, 10s));
    EXPECT_EQ(net.wire(peer).up(node), life);
    EXPECT_EQ(net.seen(peer).up[node], life);
  }
}

TYPED_TEST_P(WireConformance, AnOlderIncarnationIsRefused_M1) {
  this->connect();
  auto& net = this->net;
  net.stop(this->kB);
  net.start(this->kB, Incarnation(19), "c");
  ASSERT_TRUE(
      net.run_until([&] { return this->ended(this->kA, WireEnd::old_incarnation) > 0; }, 10s));
  net.run_for(200ms);
  EXPECT_FALSE(net.wire(this->kA).up(this->kB));
  EXPECT_FALSE(net.wire(this->kB).up(this->kA));
  net.stop(this->kB);
  net.start(this->kB, Incarnation(20), "c");
  EXPECT_TRUE(net.run_until([&] { return this->both_up(); }, 10s));
}

TYPED_TEST_P(WireConformance, AnotherClusterIsRefusedAndItsTruePeersAreNot) {
  this->connect();
  auto& net = this->net;
  net.start(this->kC, Incarnation(30), "other");
  ASSERT_TRUE(net.run_until(
      [&] {
        return this->ended(this->kC, WireEnd::wrong_cluster) > 0 &&
               this->ended(this->kA, WireEnd::refused) > 0;
      },
      10s));
  EXPECT_FALSE(net.wire(this->kA).up(this->kC));
  EXPECT_NE(this->of(this->kA, this->kC).refusal, "");
  EXPECT_TRUE(this->both_up());
  EXPECT_EQ(net.seen(this->kA).downs[this->kB], 0);
}

TYPED_TEST_P(WireConformance, AQueueThatIsTooLongCutsTheConnection) {
  this->connect();
  auto& net = this->net;
  net.seen(this->kB).keep = false;
  net.freeze(this->kB, true);
  const auto block = std::make_shared<Bytes>(std::size_t{32} << 20);
  int sent = 0;
  while (sent < 100 && net.wire(this->kA).send(this->kB, {}, {{block, *block}})) ++sent;
  EXPECT_GE(sent, 15) << "512 MiB may wait";
  EXPECT_LE(sent, 18);
  EXPECT_EQ(block.use_count(), 1 + (net.holds_what_is_lost ? sent : 0));
  EXPECT_FALSE(net.wire(this->kA).up(this->kB));
  EXPECT_EQ(net.seen(this->kA).downs[this->kB], 0) << "an event within a call";
  net.run_for(100ms);
  EXPECT_EQ(net.seen(this->kA).downs[this->kB], 1);
  EXPECT_EQ(this->ended(this->kA, WireEnd::queue_full), 1u);
  EXPECT_GT(this->of(this->kA, this->kB).messages_lost, 0u);
  net.freeze(this->kB, false);
  EXPECT_TRUE(net.run_until([&] { return this->both_up(); }, 10s));
}

TYPED_TEST_P(WireConformance, AnIdlePeerIsHeardAndAFrozenOneIsSilent_M4) {
  this->connect();
  auto& net = this->net;
  auto& a = net.wire(this->kA);
  net.run_for(1500ms);  // only heartbeats
  EXPECT_FALSE(a.silent(this->kB, net.now()));
  net.freeze(this->kB, true);
  ASSERT_TRUE(net.run_until([&] { return a.silent(this->kB, net.now()); }, 3s));
  EXPECT_EQ(this->of(this->kA, this->kB).state, PeerState::silent);
  EXPECT_TRUE(a.up(this->kB)) << "silence is only reported";
  EXPECT_TRUE(a.silent(NodeId(9), net.now()));
  net.freeze(this->kB, false);
  ASSERT_TRUE(net.run_until([&] { return !a.silent(this->kB, net.now()); }, 3s));
  net.run_for(100ms);
  EXPECT_EQ(net.seen(this->kA).downs[this->kB], 0);
  EXPECT_EQ(net.seen(this->kB).downs[this->kA], 0) << "it was B that slept";
}

TYPED_TEST_P(WireConformance, ALongSilenceEndsTheConnection_M4) {
  this->connect();
  auto& net = this->net;
  net.freeze(this->kB, true);
  ASSERT_TRUE(net.run_until([&] { return net.seen(this->kA).downs[this->kB] == 1; }, 8s));
  EXPECT_TRUE(net.wire(this->kA).silent(this->kB, net.now()));
  net.freeze(this->kB, false);
  ASSERT_TRUE(net.run_until([&] { return this->both_up(); }, 10s));
  EXPECT_FALSE(net.wire(this->kA).silent(this->kB, net.now()));
}

TYPED_TEST_P(WireConformance, ThreeNodesAllMeet) {
  this->connect();
  auto& net = this->net;
  net.start(this->kC, Incarnation(30), "c");
  ASSERT_TRUE(net.run_until(
      [&] {
        return this->both_up() && net.wire(this->kC).up(this->kA) &&
               net.wire(this->kC).up(this->kB) && net.wire(this->kA).up(this->kC) &&
               net.wire(this->kB).up(this->kC);
      },
      10s));
  EXPECT_EQ(net.seen(this->kA).downs[this->kB], 0) << "peers that stay are left alone";
  net.wire(this->kC).send(this->kA, bytes_of("to a"));
  net.wire(this->kC).send(this->kB, bytes_of("to b"));
  ASSERT_TRUE(net.run_until(
      [&] {
        return net.seen(this->kA).got[this->kC].size() == 1 &&
               net.seen(this->kB).got[this->kC].size() == 1;
      },
      10s));
  EXPECT_EQ(net.seen(this->kB).got[this->kC][0], "to b");
}

REGISTER_TYPED_TEST_SUITE_P(
    WireConformance, BothSidesComeUpWithTheOthersIncarnation_M1, DeliversInOrderBothWays,
    SendsPayloadsBehindTheHeadAndHoldsThemUntilTheyHaveLeft, AnswersMayBeSentFromWithinTheEvent,
    ABreakLosesWhatWasUnderWayAndComesUpAgain_M1, ARestartedPeerComesUpWithItsNewIncarnation_M1,
    AnOlderIncarnationIsRefused_M1, AnotherClusterIsRefusedAndItsTruePeersAreNot,
    AQueueThatIsTooLongCutsTheConnection, AnIdlePeerIsHeardAndAFrozenOneIsSilent_M4,
    ALongSilenceEndsTheConnection_M4, ThreeNodesAllMeet);

}  // namespace dspm::test
