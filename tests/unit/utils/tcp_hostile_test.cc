// TcpWire against what it should never get: the connection is closed and counted, memory stays
// bounded, and the connection of the true peers is unharmed.
#include <algorithm>
#include <fstream>
#include <optional>

#include "tests/unit/utils/raw_peer.h"
#include "tests/unit/utils/tcp_net.h"

namespace dspm::test {
namespace {

// Node 4 is attacked; node 6 is its true peer; the test speaks as node 1.
class TcpHostile : public ::testing::Test {
 protected:
  static constexpr NodeId kRaw{1}, kUs{4}, kFriend{6};

  void SetUp() override {
    net.start(kUs, Incarnation(40), "c");
    net.start(kFriend, Incarnation(60), "c");
    auto peers = net.peers();
    peers.push_back({kRaw, "127.0.0.1", 1});  // it dials us: the lower node
    net.wire(kUs).set_peers(peers);
    ASSERT_TRUE(net.run_until([&] { return net.wire(kUs).up(kFriend) && friend_up(); }, 10s));
  }
  void TearDown() override {
    EXPECT_EQ(net.seen(kUs).downs[kFriend], 0);
    EXPECT_EQ(net.seen(kFriend).downs[kUs], 0);
    EXPECT_TRUE(net.wire(kUs).send(kFriend, bytes_of("still here")));
    EXPECT_TRUE(net.run_until([&] { return !net.seen(kFriend).got[kUs].empty(); }, 10s));
  }
  bool friend_up() { return bool(net.wire(kFriend).up(kUs)); }
  std::uint64_t ended(WireEnd why) { return net.wire(kUs).status().ended(why); }
  RawPeer stranger() { return RawPeer(net.wire(kUs).port()); }

  static Hello hello(Incarnation incarnation = Incarnation(10)) {
    Hello hello;
    hello.from = kRaw;
    hello.to = kUs;
    hello.incarnation = incarnation;
    hello.cluster = "c";
    return hello;
  }
  // A connection that has been identified as node 1.
  RawPeer known(Incarnation incarnation = Incarnation(10)) {
    RawPeer peer = stranger();
    peer.say(FrameType::hello, encode(hello(incarnation)));
    std::optional<std::pair<FrameType, Bytes>> answer;
    EXPECT_TRUE(net.run_until([&] { return bool(answer = peer.frame()); }, 10s));
    EXPECT_EQ(answer->first, FrameType::hello);
    EXPECT_EQ(decode_hello(answer->second)->incarnation, Incarnation(40));
    return peer;
  }
  void expect_end(RawPeer& peer, WireEnd why, std::uint64_t times = 1) {
    EXPECT_TRUE(net.run_until([&] { return peer.over() && ended(why) == times; }, 10s))
        << to_string(why) << ' ' << ended(why);
  }
  void expect_refusal(const Hello& wrong, WireEnd why) {
    RawPeer peer = stranger();
    peer.say(FrameType::hello, encode(wrong));
    expect_end(peer, why);
    const auto frame = peer.frame();
    ASSERT_TRUE(frame) << to_string(why);
    EXPECT_EQ(frame->first, FrameType::refusal);
    const auto refusal = decode_refusal(frame->second);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->why, why);
    EXPECT_NE(refusal->text, "");
  }

  TcpNet net;
};

TEST_F(TcpHostile, GarbageFromAStranger) {
  RawPeer peer = stranger();
  peer.say(bytes_of("GET / HTTP/1.1\r\nHost: somebody else\r\n\r\n"));
  expect_end(peer, WireEnd::bad_magic);
}

TEST_F(TcpHostile, EveryHeaderFieldThatIsWrong) {
  const auto with = [&](std::size_t at, int value) {
    RawPeer peer = stranger();
    Bytes frame = make_frame(FrameType::hello, encode(hello()));
    frame[at] = std::byte(value);
    peer.say(frame);
    return peer;
  };
  RawPeer version = with(4, 9), type = with(5, 99), flags = with(7, 1), length = with(10, 1),
          crc = with(20, 77);
  expect_end(version, WireEnd::bad_version);
  expect_end(type, WireEnd::bad_type);
  expect_end(flags, WireEnd::bad_flags);
  expect_end(length, WireEnd::oversize);
  expect_end(crc, WireEnd::bad_crc);
  EXPECT_EQ(net.seen(kUs).ups[kRaw], 0);
}

TEST_F(TcpHostile, FramesThatHaveNoPlaceYet) {
  std::uint64_t times = 0;
  for (const FrameType type : {FrameType::message, FrameType::heartbeat, FrameType::refusal}) {
    RawPeer peer = stranger();
    peer.say(type, {});
    expect_end(peer, WireEnd::bad_type, ++times);
  }
  RawPeer peer = known();
  peer.say(FrameType::hello, encode(hello()));
  expect_end(peer, WireEnd::bad_type, ++times);
}

TEST_F(TcpHostile, AHelloThatCannotBeRead) {
  RawPeer peer = stranger();
  peer.say(FrameType::hello, ByteSpan(encode(hello())).first(9));
  expect_end(peer, WireEnd::bad_hello);
}

TEST_F(TcpHostile, AHelloThatIsNotForUsIsToldWhy) {
  Hello wrong = hello();
  wrong.cluster = "another";
  expect_refusal(wrong, WireEnd::wrong_cluster);
  wrong = hello();
  wrong.protocol = 77;
  expect_refusal(wrong, WireEnd::wrong_protocol);
  wrong = hello();
  wrong.to = NodeId(3);
  expect_refusal(wrong, WireEnd::wrong_node);
  wrong = hello();
  wrong.from = NodeId(2);
  expect_refusal(wrong, WireEnd::unknown_node);
  wrong = hello();
  wrong.auth = 1;
  expect_refusal(wrong, WireEnd::wrong_auth);
  EXPECT_EQ(net.nodes.at(kUs)->log.size(), 1u + 5u) << "up, and five refusals";
}

TEST_F(TcpHostile, AnOlderLifeIsRefusedAndANewerOneReplaces_M1) {
  RawPeer first = known(Incarnation(10));
  RawPeer second = known(Incarnation(10));
  expect_end(first, WireEnd::replaced, 1);
  RawPeer third = known(Incarnation(11));
  expect_end(second, WireEnd::replaced, 2);
  expect_refusal(hello(Incarnation(10)), WireEnd::old_incarnation);
  EXPECT_EQ(net.wire(kUs).up(kRaw), Incarnation(11));
  EXPECT_EQ(net.seen(kUs).ups[kRaw], 3);
  EXPECT_EQ(net.seen(kUs).downs[kRaw], 2);
  EXPECT_FALSE(third.over());
}

TEST_F(TcpHostile, BadBytesFromAKnownPeerEndOnlyItsConnection) {
  RawPeer bent = known();
  Bytes frame = make_frame(FrameType::message, bytes_of("a message"));
  bent.say(frame);
  frame.back() ^= std::byte{1};
  bent.say(frame);
  bent.say(make_frame(FrameType::message, bytes_of("after it")));
  expect_end(bent, WireEnd::bad_crc);
  EXPECT_EQ(net.seen(kUs).got[kRaw], std::vector<std::string>{"a message"});
  EXPECT_EQ(net.seen(kUs).downs[kRaw], 1);

  RawPeer huge = known();
  FrameHeader header;
  header.type = std::uint8_t(FrameType::message);
  header.length = kMaxMessage + 1;
  huge.say(std::as_bytes(std::span(&header, 1)));
  expect_end(huge, WireEnd::oversize);

  RawPeer cut = known();
  cut.say(ByteSpan(frame).first(20));
  cut.close();
  EXPECT_TRUE(net.run_until([&] { return net.seen(kUs).downs[kRaw] == 3; }, 10s));
  EXPECT_EQ(ended(WireEnd::closed), 1u);
}

TEST_F(TcpHostile, AKnownPeerThatIsNoMoreHeardIsSilentAndThenCut_M4) {
  RawPeer peer = known();
  peer.say(ByteSpan(make_frame(FrameType::message, bytes_of("cut short"))).first(20));
  net.run_for(700ms);
  EXPECT_FALSE(net.wire(kUs).silent(kRaw, net.now()));
  net.run_for(500ms);
  EXPECT_TRUE(net.wire(kUs).silent(kRaw, net.now()));
  int heartbeats = 0;
  while (const auto frame = peer.frame()) heartbeats += frame->first == FrameType::heartbeat;
  EXPECT_GE(heartbeats, 2);
  EXPECT_LE(heartbeats, 5);
  peer.say(ByteSpan(make_frame(FrameType::message, bytes_of("cut short"))).subspan(20));
  ASSERT_TRUE(net.run_until([&] { return !net.seen(kUs).got[kRaw].empty(); }, 10s));
  EXPECT_FALSE(net.wire(kUs).silent(kRaw, net.now())) << "half a frame is a sign of life";
  expect_end(peer, WireEnd::silence);
}

TEST_F(TcpHostile, HalfOpenAndSlowStrangersGoInTime) {
  RawPeer mute = stranger();
  RawPeer half = stranger();
  const Bytes frame = make_frame(FrameType::hello, encode(hello()));
  half.say(ByteSpan(frame).first(30));
  RawPeer slow = stranger();
  const Time begin = net.now();
  for (std::size_t i = 0; i < frame.size() - 1; ++i) {
    slow.say(ByteSpan(frame).subspan(i, 1));
    net.run_for(80ms);
  }
  EXPECT_GT(net.now() - begin, 3s);
  ASSERT_TRUE(net.run_until([&] { return ended(WireEnd::hello_timeout) == 3; }, 10s));
  EXPECT_TRUE(mute.over() && half.over() && slow.over());
  EXPECT_EQ(net.wire(kUs).status().strangers, 0u);
}

TEST_F(TcpHostile, ByteByByteIsFineWhenItIsQuickEnough) {
  RawPeer peer = stranger();
  for (const std::byte b : make_frame(FrameType::hello, encode(hello()))) {
    peer.say(ByteSpan(&b, 1));
    net.run_for(1ms);
  }
  EXPECT_TRUE(net.run_until([&] { return bool(net.wire(kUs).up(kRaw)); }, 10s));
}

TEST_F(TcpHostile, TwoHundredStrangersAtOnceDoNotKeepAPeerOut) {
  const std::size_t before = net.wire(kUs).status().receive_buffer_bytes;
  std::vector<RawPeer> crowd;
  for (int i = 0; i < 200; ++i) crowd.push_back(stranger());
  const auto too_many = [&] { return ended(WireEnd::too_many) == 200 - kMaxStrangers; };
  ASSERT_TRUE(net.run_until(too_many, 10s)) << ended(WireEnd::too_many);
  const WireStatus status = net.wire(kUs).status();
  EXPECT_EQ(status.strangers, kMaxStrangers);
  EXPECT_LE(status.receive_buffer_bytes, before + kMaxStrangers * kMaxStrangerFrame);
  RawPeer peer = known();
  peer.say(FrameType::message, bytes_of("let me in"));
  EXPECT_TRUE(net.run_until([&] { return net.seen(kUs).got[kRaw].size() == 1; }, 10s));
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * std::size_t(::sysconf(_SC_PAGESIZE));
}

TEST_F(TcpHostile, AnAnnouncedFrameCostsMemoryOnlyAsItComes) {
  RawPeer peer = known();
  const std::size_t before = resident_bytes();
  FrameHeader header;
  header.type = std::uint8_t(FrameType::message);
  header.length = kMaxMessage;
  peer.say(std::as_bytes(std::span(&header, 1)));
  peer.say(Bytes(1000));
  net.run_for(200ms);
  EXPECT_LE(net.wire(kUs).status().receive_buffer_bytes, kMaxFrame + 2 * FrameBuffer::kUsual);
  EXPECT_LT(resident_bytes(), before + (std::size_t{32} << 20));
}

}  // namespace
}  // namespace dspm::test
