// Messages between simulated nodes: delay, reordering between kinds, repetition, broken
// connections. Messages of one kind between two nodes keep their order [M1].
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "fs/messages.h"
#include "tests/sim/scheduler.h"

namespace dspm::sim {

struct NetOptions {
  unsigned slow_percent = 12;  // how many messages take long
  std::uint64_t fast_us = 30, slow_us = 400;
  std::vector<std::uint64_t> kind_us;  // more for each kind of message, at most
  unsigned duplicate_percent = 0;
  unsigned encode_percent = 10;  // how many go through encode() and decode()
};

class SimNet {
 public:
  using Deliver = std::function<void(NodeId from, NodeId to, const fs::Message&)>;
  using Up = std::function<void(NodeId a, NodeId b)>;

  SimNet(Scheduler& scheduler, NetOptions options, Deliver deliver, Up up);

  void send(NodeId from, NodeId to, const fs::Message& message);
  // Everything under way between the two is lost, and what they send until it is up again.
  void cut(NodeId a, NodeId b, std::uint64_t down_us);
  void lose(NodeId a, NodeId b) { pair(a, b).life++; }  // what is under way
  // Messages of this kind from one node to another wait until release(): scenarios only.
  template <class Kind>
  void hold(NodeId from, NodeId to) {
    held_kinds_.insert({from, to, fs::Message(Kind{}).index()});
  }
  void release();
  // Those of this kind only.
  template <class Kind>
  void release_kind() {
    release_index(fs::Message(Kind{}).index());
  }
  std::uint64_t messages() const { return messages_; }

 private:
  struct Pair {
    std::uint64_t life = 0;
    bool down = false;
  };
  void release_index(std::size_t kind);
  Pair& pair(NodeId a, NodeId b) { return pairs_[std::minmax(a, b)]; }
  fs::Message through_wire(const fs::Message& message);
  void send_once(NodeId from, NodeId to, fs::Message message, std::uint64_t more_us);

  Scheduler& scheduler_;
  NetOptions options_;
  Deliver deliver_;
  Up up_;
  std::map<std::pair<NodeId, NodeId>, Pair> pairs_;
  std::map<std::tuple<NodeId, NodeId, std::size_t>, Time> lanes_;  // last arrival
  std::set<std::tuple<NodeId, NodeId, std::size_t>> held_kinds_;
  std::vector<std::tuple<NodeId, NodeId, fs::Message>> held_;
  std::uint64_t messages_ = 0;
};

// One line about a message, for the story.
std::string describe(const fs::Message& message);

}  // namespace dspm::sim
