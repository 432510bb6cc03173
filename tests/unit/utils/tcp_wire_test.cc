// What only TcpWire does: listening, dialling, backing off, writing in pieces.
#include <algorithm>

#include "tests/unit/utils/raw_peer.h"
#include "tests/unit/utils/tcp_net.h"

namespace dspm::test {
namespace {

constexpr NodeId kA{1}, kB{2};

class TcpWireTest : public ::testing::Test {
 protected:
  TcpWire::Options options(const std::string& host, std::uint16_t port) {
    return {{"c", NodeId(9), Incarnation(1)}, host, port, {}};
  }
  std::uint64_t ended(NodeId node, WireEnd why) { return net.wire(node).status().ended(why); }
  void connect() {
    net.start(kA, Incarnation(10), "c");
    net.start(kB, Incarnation(20), "c");
    ASSERT_TRUE(net.run_until([&] { return net.wire(kA).up(kB) && net.wire(kB).up(kA); }, 10s));
  }
  std::optional<RawPeer> accept(RawServer& server) {
    std::optional<RawPeer> peer;
    EXPECT_TRUE(net.run_until(
        [&] {
          if (auto got = server.accept()) peer.emplace(std::move(*got));
          return bool(peer);
        },
        10s));
    return peer;
  }

  TcpNet net;
  boost::asio::io_context io;
  Recorder seen;
};

TEST_F(TcpWireTest, SaysWhyItCannotListen) {
  net.start(kA, Incarnation(10), "c");
  const std::uint16_t port = net.wire(kA).port();
  EXPECT_NE(port, 0);
  const auto taken = TcpWire::listen(io, net.clock, seen, options("127.0.0.1", port));
  EXPECT_EQ(taken.status(), Status::busy);
  EXPECT_EQ(taken.error().what,
            "port " + std::to_string(port) + " on 127.0.0.1 is taken by another program");
  const auto foreign = TcpWire::listen(io, net.clock, seen, options("192.0.2.1", 0));
  EXPECT_EQ(foreign.status(), Status::invalid);
  EXPECT_EQ(foreign.error().what, "192.0.2.1 is no address of this machine");
  const auto nowhere = TcpWire::listen(io, net.clock, seen, options("no such host.", 0));
  EXPECT_EQ(nowhere.status(), Status::invalid);
  TcpWire::Options unnamed = options("127.0.0.1", 0);
  unnamed.self.cluster.clear();
  EXPECT_EQ(TcpWire::listen(io, net.clock, seen, unnamed).status(), Status::invalid);
}

TEST_F(TcpWireTest, ThePortIsFreeAgainAtOnceAfterADeath) {
  connect();
  const std::uint16_t port = net.wire(kB).port();
  net.stop(kB);
  net.run_for(50ms);
  EXPECT_TRUE(TcpWire::listen(io, net.clock, seen, options("127.0.0.1", port)));
}

TEST_F(TcpWireTest, DialsAgainWithBackOffUntilSomebodyListens) {
  net.start(kA, Incarnation(10), "c");
  std::uint16_t port = 0;
  {
    RawServer gone;
    port = gone.port();
  }
  net.wire(kA).set_peers({{NodeId(9), "localhost", port}});
  net.run_for(700ms);  // 0, 20, 60, 140, 300, 620 ms
  EXPECT_GE(ended(kA, WireEnd::unreachable), 3u);
  EXPECT_LE(ended(kA, WireEnd::unreachable), 7u);
  const auto wire = TcpWire::listen(io, net.clock, seen, options("localhost", port));
  ASSERT_TRUE(wire) << wire.error().what;
  (*wire)->set_peers({{kA, "127.0.0.1", 1}});
  ASSERT_TRUE(net.run_until(
      [&] {
        io.poll();
        return net.wire(kA).up(NodeId(9)) == Incarnation(1);
      },
      10s));
}

TEST_F(TcpWireTest, NotesARefusalOnceAndGoesOnTrying) {
  net.start(kA, Incarnation(10), "c");
  RawServer server;
  net.wire(kA).set_peers({{kB, "127.0.0.1", server.port()}});
  for (int i = 0; i < 3; ++i) {
    auto peer = accept(server);
    ASSERT_TRUE(peer);
    peer->say(FrameType::refusal, encode(Refusal{WireEnd::wrong_cluster, "go away"}));
    ASSERT_TRUE(net.run_until([&] { return peer->over(); }, 10s));
  }
  const WireStatus status = net.wire(kA).status();
  EXPECT_EQ(status.ended(WireEnd::refused), 3u);
  EXPECT_EQ(status.peers.at(0).refusal, "go away");
  EXPECT_EQ(net.nodes.at(kA)->log,
            std::vector<std::string>{"node 2 refuses us (wrong cluster): go away"});
}

TEST_F(TcpWireTest, RefusesWhoAnswersInAnothersPlace) {
  net.start(kA, Incarnation(10), "c");
  RawServer server;
  net.wire(kA).set_peers({{kB, "127.0.0.1", server.port()}});
  auto peer = accept(server);
  ASSERT_TRUE(peer);
  Hello hello;
  hello.from = NodeId(3);
  hello.to = kA;
  hello.incarnation = Incarnation(1);
  hello.cluster = "c";
  peer->say(FrameType::hello, encode(hello));
  ASSERT_TRUE(net.run_until([&] { return peer->over(); }, 10s));
  EXPECT_EQ(ended(kA, WireEnd::wrong_node), 1u);
  const auto first = peer->frame();
  ASSERT_TRUE(first);
  const auto ours = decode_hello(first->second);
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours->to, kB);
  EXPECT_EQ(ours->cluster, "c");
  EXPECT_EQ(peer->frame()->first, FrameType::refusal);
  EXPECT_TRUE(accept(server)) << "tried again";
}

TEST_F(TcpWireTest, AListenerThatSaysNothingIsLeftAndDialledAgain) {
  net.start(kA, Incarnation(10), "c");
  RawServer server;
  net.wire(kA).set_peers({{kB, "127.0.0.1", server.port()}});
  auto peer = accept(server);
  ASSERT_TRUE(peer);
  ASSERT_TRUE(net.run_until([&] { return peer->over(); }, 6s));
  EXPECT_EQ(ended(kA, WireEnd::hello_timeout), 1u);
  EXPECT_TRUE(accept(server));
}

TEST_F(TcpWireTest, ASlowReaderGetsEverythingInOrder) {
  connect();
  net.seen(kB).keep = false;
  std::uint32_t next = 0;
  net.seen(kB).answer = [&](NodeId, ByteSpan message) {
    EXPECT_EQ(message.size(), 4 + (std::size_t{1} << 20));
    EXPECT_EQ(Reader(message).get<std::uint32_t>(), next++);
  };
  net.freeze(kB, true);
  const auto body = std::make_shared<Bytes>(std::size_t{1} << 20, std::byte{7});
  for (std::uint32_t i = 0; i < 64; ++i) {
    Bytes head(sizeof i);  // a Writer here makes g++ 12 warn of what it does not do
    std::memcpy(head.data(), &i, sizeof i);
    ASSERT_TRUE(net.wire(kA).send(kB, std::move(head), {{body, *body}}));
  }
  EXPECT_GT(net.wire(kA).status().peers.at(0).queued_bytes, std::size_t{32} << 20);
  net.freeze(kB, false);
  ASSERT_TRUE(net.run_until([&] { return next == 64; }, 20s));
  EXPECT_EQ(net.wire(kA).status().peers.at(0).queued_bytes, 0u);
  EXPECT_EQ(body.use_count(), 1);
  EXPECT_LE(net.wire(kB).status().receive_buffer_bytes, FrameBuffer::kKept);
}

TEST_F(TcpWireTest, WhatWaitsWhenAPeerDiesIsCountedAndLetGo) {
  connect();
  net.freeze(kB, true);
  const auto body = std::make_shared<Bytes>(std::size_t{1} << 20);
  for (int i = 0; i < 64; ++i) net.wire(kA).send(kB, {}, {{body, *body}});
  net.stop(kB);
  ASSERT_TRUE(net.run_until([&] { return net.seen(kA).downs[kB] == 1; }, 10s));
  EXPECT_EQ(body.use_count(), 1);
  EXPECT_GT(net.wire(kA).status().peers.at(0).messages_lost, 32u);
}

TEST_F(TcpWireTest, APeerThatMovesIsDialledWhereItIs) {
  connect();
  RawServer server;
  net.wire(kA).set_peers({{kB, "127.0.0.1", server.port()}});
  EXPECT_TRUE(net.run_until([&] { return net.seen(kA).downs[kB] == 1; }, 10s));
  EXPECT_TRUE(accept(server));
  EXPECT_EQ(ended(kA, WireEnd::removed), 1u);
}

TEST_F(TcpWireTest, PeersMayChangeWithinAnEvent) {
  connect();
  net.seen(kB).answer = [&](NodeId, ByteSpan) { net.wire(kB).set_peers({}); };
  net.wire(kA).send(kB, bytes_of("one"));
  net.wire(kA).send(kB, bytes_of("two"));
  ASSERT_TRUE(net.run_until([&] { return net.seen(kB).downs[kA] == 1; }, 10s));
  EXPECT_EQ(net.seen(kB).got[kA].size(), 1u) << "nothing comes from who is no peer";
}

TEST_F(TcpWireTest, MayBeDestroyedWithEverythingUnderWay) {
  net.start(kA, Incarnation(10), "c");
  net.start(kB, Incarnation(20), "c");
  for (int turn = 0; turn < 20; ++turn) {
    TcpNet other;
    other.start(kA, Incarnation(10), "c");
    other.start(kB, Incarnation(20), "c");
    for (int i = 0; i < turn; ++i) {
      other.run_until([n = 0]() mutable { return n++ > 0; }, 1s);
      other.wire(kA).send(kB, bytes_of("x"));
    }
    auto& node = *other.nodes.at(turn % 2 == 0 ? kA : kB);
    node.wire.reset();
    node.io.restart();
    node.io.poll();  // what it left behind is harmless
  }
}

}  // namespace
}  // namespace dspm::test
