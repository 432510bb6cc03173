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
    ASSERT_TRUE(net.run_until([&, p = peer, n = node] { return !net.wire(p).up(n); }, 10s));
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

}  // namespace dspm::test

#include "tests/unit/utils/wire_conformance_faults.h"
