#include "utils/net/hello.h"

#include <gtest/gtest.h>

#include "tests/unit/utils/hex.h"

namespace dspm {
namespace {

Hello some_hello() {
  Hello hello;
  hello.from = NodeId(1);
  hello.to = NodeId(2);
  hello.incarnation = Incarnation(0x1122);
  hello.cluster = "demo";
  return hello;
}

const WireIdentity kSelf{"demo", NodeId(2), Incarnation(9)};

// docs/wire.md shows these bytes: whoever changes them changes the format.
TEST(Hello, GoldenBytes) {
  EXPECT_EQ(test::hex(encode(some_hello())),
            "0100"
            "0000"
            "01000000"
            "02000000"
            "2211000000000000"
            "0400000064656d6f");
  EXPECT_EQ(test::hex(encode(Refusal{WireEnd::wrong_protocol, "no"})), "0200020000006e6f");
}

TEST(Hello, IsReadAsItWasWritten) {
  const auto hello = decode_hello(encode(some_hello()));
  ASSERT_TRUE(hello);
  EXPECT_EQ(*hello, some_hello());
}

TEST(Hello, IsRefusedWhenCutOrTooLong) {
  Bytes bytes = encode(some_hello());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(decode_hello(ByteSpan(bytes).first(n)).status(), Status::corrupt) << n;
  }
  bytes.push_back(std::byte{0});
  EXPECT_EQ(decode_hello(bytes).status(), Status::corrupt);
}

TEST(Hello, OfNobodyIsCorrupt) {
  const auto status = [](auto change) {
    Hello hello = some_hello();
    change(hello);
    return decode_hello(encode(hello)).status();
  };
  EXPECT_EQ(status([](Hello& h) { h.from = {}; }), Status::corrupt);
  EXPECT_EQ(status([](Hello& h) { h.incarnation = {}; }), Status::corrupt);
  EXPECT_EQ(status([](Hello& h) { h.cluster.clear(); }), Status::corrupt);
  EXPECT_EQ(status([](Hello& h) { h.cluster = std::string(kMaxClusterId + 1, 'x'); }),
            Status::corrupt);
  EXPECT_EQ(status([](Hello& h) { h.cluster = std::string(kMaxClusterId, 'x'); }), Status::ok);
}

TEST(Hello, OfAnotherVersionIsReadAsFarAsItMustBe) {
  Writer out;
  out.put(std::uint16_t(kProtocolVersion + 1));
  out.text("laid out in a way that nobody knows yet");
  const auto hello = decode_hello(out.bytes());
  ASSERT_TRUE(hello);
  EXPECT_EQ(judge(*hello, kSelf, {}), WireEnd::wrong_protocol);
  EXPECT_EQ(explain(WireEnd::wrong_protocol, *hello, kSelf).text,
            "node 2: I speak protocol 1, not 2");
}

TEST(Hello, IsJudgedByClusterNodeAndDirection) {
  const auto judged = [](NodeId dialled, auto change) {
    Hello hello = some_hello();
    change(hello);
    return judge(hello, kSelf, dialled);
  };
  const NodeId nobody;
  EXPECT_EQ(judged(nobody, [](Hello&) {}), std::nullopt);
  EXPECT_EQ(judged(nobody, [](Hello& h) { h.cluster = "Demo"; }), WireEnd::wrong_cluster);
  EXPECT_EQ(judged(nobody, [](Hello& h) { h.auth = 1; }), WireEnd::wrong_auth);
  EXPECT_EQ(judged(nobody, [](Hello& h) { h.to = NodeId(3); }), WireEnd::wrong_node);
  EXPECT_EQ(judged(nobody, [](Hello& h) { h.from = NodeId(2); }), WireEnd::wrong_node);
  EXPECT_EQ(judged(nobody, [](Hello& h) { h.from = NodeId(3); }), WireEnd::wrong_node)
      << "the lower dials";
  EXPECT_EQ(judged(NodeId(3), [](Hello& h) { h.from = NodeId(3); }), std::nullopt);
  EXPECT_EQ(judged(NodeId(3), [](Hello& h) { h.from = NodeId(4); }), WireEnd::wrong_node);
}

TEST(Refusal, IsReadAsItWasWritten) {
  for (const WireEnd why : {WireEnd::wrong_cluster, WireEnd::wrong_protocol, WireEnd::wrong_node,
                            WireEnd::unknown_node, WireEnd::old_incarnation, WireEnd::wrong_auth}) {
    const Refusal refusal = explain(why, some_hello(), kSelf);
    EXPECT_EQ(refusal.text.find("demo"), std::string::npos) << "clusters are not named";
    const auto read = decode_refusal(encode(refusal));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, refusal);
  }
}

TEST(Refusal, OfAnUnknownReasonIsStillOne) {
  for (const std::uint16_t code : {0, 7, 65535}) {
    Writer out;
    out.put(code);
    out.text("\x1b[31mred\n");
    const auto read = decode_refusal(out.bytes());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->why, WireEnd::refused);
    EXPECT_EQ(read->text, "?[31mred?");
  }
}

TEST(Refusal, IsBounded) {
  const auto read = decode_refusal(encode(Refusal{WireEnd::wrong_auth, std::string(1000, 'x')}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text.size(), kMaxRefusalText);
  Writer out;
  out.put(std::uint16_t{1});
  out.text(std::string(kMaxRefusalText + 1, 'x'));
  EXPECT_EQ(decode_refusal(out.bytes()).status(), Status::corrupt);
}

}  // namespace
}  // namespace dspm
