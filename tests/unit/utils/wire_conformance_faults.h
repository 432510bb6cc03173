// Second half of the suite of wire_conformance.h, which includes it: what goes wrong on a wire.
#pragma once

#include "tests/unit/utils/wire_conformance.h"

namespace dspm::test {

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
