// TcpWires of a few nodes in one thread, each with an io_context of its own: one that is not polled
// is a process that is stopped.
#pragma once

#include <poll.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/utils/wire_recorder.h"
#include "utils/base/clock.h"
#include "utils/net/tcp_wire.h"

namespace dspm::test {

struct TcpNet {
  static constexpr bool holds_what_is_lost = false;

  struct Node {
    boost::asio::io_context io;
    Recorder seen;
    std::unique_ptr<TcpWire> wire;
    std::vector<std::string> log;
    bool frozen = false;
  };

  void start(NodeId id, Incarnation incarnation, const std::string& cluster) {
    Node& node = *(nodes[id] = std::make_unique<Node>());
    TcpWire::Options options;
    options.self = {cluster, id, incarnation};
    options.host = "127.0.0.1";
    options.log = [&node](const std::string& line) { node.log.push_back(line); };
    auto wire = TcpWire::listen(node.io, clock, node.seen, std::move(options));
    ASSERT_TRUE(wire) << wire.error().what;
    node.wire = std::move(wire).value();
    for (auto& [other, n] : nodes) n->wire->set_peers(peers());
  }
  void stop(NodeId id) { nodes.erase(id); }
  void freeze(NodeId id, bool frozen) { nodes.at(id)->frozen = frozen; }
  std::vector<Peer> peers() const {
    std::vector<Peer> all;
    for (const auto& [id, node] : nodes) all.push_back({id, "127.0.0.1", node->wire->port()});
    return all;
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const Time end = now() + limit;
    while (!done()) {
      if (now() > end) return false;
      std::size_t ran = 0;
      for (auto& [id, node] : nodes) {
        if (!node->frozen) ran += node->io.poll();
      }
      if (ran == 0) ::poll(nullptr, 0, 1);
    }
    return true;
  }
  void run_for(Duration time) {
    run_until([] { return false; }, time);
  }
  TcpWire& wire(NodeId id) { return *nodes.at(id)->wire; }
  Recorder& seen(NodeId id) { return nodes.at(id)->seen; }
  Time now() const { return clock.now(); }

  SystemClock clock;
  std::map<NodeId, std::unique_ptr<Node>> nodes;
};

}  // namespace dspm::test
