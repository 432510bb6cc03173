// Takes down what a wire tells its user.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "utils/net/wire.h"

namespace dspm::test {

inline Bytes bytes_of(std::string_view text) {
  const auto b = std::as_bytes(std::span(text.data(), text.size()));
  return {b.begin(), b.end()};
}
inline std::string text_of(ByteSpan b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

// Writes down what a wire tells, and checks what it may never tell.
struct Recorder : WireEvents {
  std::map<NodeId, Incarnation> up;
  std::map<NodeId, int> ups, downs;
  std::map<NodeId, std::vector<std::string>> got;
  std::function<void(NodeId, ByteSpan)> answer;  // called for each message
  bool keep = true;                              // messages themselves

  void on_up(NodeId node, Incarnation incarnation) override {
    EXPECT_FALSE(up.contains(node)) << "up twice: " << node;
    up[node] = incarnation;
    ++ups[node];
  }
  void on_down(NodeId node) override {
    EXPECT_EQ(up.erase(node), 1u) << "down while down: " << node;
    ++downs[node];
  }
  void on_message(NodeId node, Incarnation incarnation, ByteSpan message) override {
    EXPECT_TRUE(up.contains(node)) << "message while down";
    EXPECT_EQ(up[node], incarnation);
    if (keep) got[node].push_back(text_of(message));
    if (answer) answer(node, message);
  }
};

}  // namespace dspm::test
