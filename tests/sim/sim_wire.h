// The Wire without sockets: a network of any number of nodes in one thread, whose chance comes from
// a seed and whose time from the caller's scheduler.
//
// Fault model. Messages take a random time. Those of one lane stay in order, lanes overtake each
// other [A15]. A message may come twice, the second time at any later moment of its connection
// [B8]. A connection breaks at once and each side notices by itself, later; what was in flight, and
// what a side sends until it notices, is lost [M1]. The two sides of a new connection come up at
// different times. A frozen node handles nothing and says nothing, heartbeats neither; after 5 s
// its connections end [M4]. Nothing is corrupted: that is TcpWire's CRC's business.
//
// No periodic events: a simulation with nothing to do is idle.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "utils/net/wire.h"

namespace dspm::sim {

class SimNetwork {
 public:
  struct Options {
    // Runs the function after the duration (>= 0), never within the call. Equal times: any order.
    std::function<void(Duration, std::function<void()>)> schedule;
    std::function<Time()> now;
    std::uint64_t seed = 1;
    Duration delay_min = std::chrono::microseconds(20);
    Duration delay_max = std::chrono::microseconds(200);
    // Longest until a side notices a break, and until a connection is tried again.
    Duration notice_max = std::chrono::milliseconds(5);
    double duplicates = 0;  // share of messages that come twice
    // Kind of a message (its head, without payloads): those of one kind stay in order. Empty: one.
    std::function<int(ByteSpan)> lane;
  };

  explicit SimNetwork(Options options);
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // A wire for this node; at most one at a time per node id. Destroying it is the node's death.
  // `events` outlives the wire, the network need not. Hosts and ports of peers are ignored.
  std::unique_ptr<Wire> attach(const WireIdentity& self, WireEvents& events);

  // Breaks the connection of a pair; it comes back by itself.
  void cut(NodeId a, NodeId b);
  // Breaks it, and none comes about until heal().
  void block(NodeId a, NodeId b);
  void heal(NodeId a, NodeId b);
  // A process that is stopped, or goes on: all that it missed happens then.
  void freeze(NodeId node, bool frozen);

  // What has reached a node so far, and what was lost on the way: for a summary.
  std::uint64_t delivered() const;
  std::uint64_t lost() const;

  struct Core;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace dspm::sim
