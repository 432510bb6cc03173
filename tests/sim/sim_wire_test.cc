// SimWire: the conformance suite of the Wire port, and what only a simulated network does.
#include "tests/sim/sim_wire.h"

#include <map>
#include <memory>

#include "tests/unit/utils/wire_conformance.h"

namespace dspm::test {
namespace {

struct SimNet {
  // Messages in flight hold their payloads until they would have arrived.
  static constexpr bool holds_what_is_lost = true;

  SimNet() {
    sim::SimNetwork::Options options;
    options.now = [this] { return time; };
    options.schedule = [this](Duration delay, std::function<void()> call) {
      calls.emplace(std::pair(time + delay, ++order), std::move(call));
    };
    options.seed = 7;
    network = std::make_unique<sim::SimNetwork>(std::move(options));
  }

  void start(NodeId id, Incarnation incarnation, const std::string& cluster) {
    wires.erase(id);
    recorders[id] = std::make_unique<Recorder>();
    wires[id] = network->attach({cluster, id, incarnation}, *recorders[id]);
    for (auto& [other, wire] : wires) wire->set_peers(peers());
  }
  void stop(NodeId id) { wires.erase(id); }
  void freeze(NodeId id, bool frozen) { network->freeze(id, frozen); }
  std::vector<Peer> peers() const {
    std::vector<Peer> all;
    for (const auto& [id, wire] : wires) all.push_back({id, "sim", 0});
    return all;
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const Time end = time + limit;
    while (!done()) {
      if (calls.empty() || calls.begin()->first.first > end) {
        time = end;
        return done();
      }
      const auto next = calls.extract(calls.begin());
      time = next.key().first;
      next.mapped()();
    }
    return true;
  }
  void run_for(Duration duration) {
    run_until([] { return false; }, duration);
  }
  Wire& wire(NodeId id) { return *wires.at(id); }
  Recorder& seen(NodeId id) { return *recorders.at(id); }
  Time now() const { return time; }

  Time time{};
  std::uint64_t order = 0;
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> calls;
  std::unique_ptr<sim::SimNetwork> network;
  std::map<NodeId, std::unique_ptr<Recorder>> recorders;
  std::map<NodeId, std::unique_ptr<Wire>> wires;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Sim, WireConformance, SimNet);

sim::SimNetwork::Options shaky(SimNet& net, std::uint64_t seed) {
  sim::SimNetwork::Options options;
  options.now = [&net] { return net.time; };
  options.schedule = [&net](Duration delay, std::function<void()> call) {
    net.calls.emplace(std::pair(net.time + delay, ++net.order), std::move(call));
  };
  options.seed = seed;
  options.delay_max = 1ms;
  options.duplicates = 0.2;
  options.lane = [](ByteSpan head) { return std::to_integer<int>(head[0]); };
  return options;
}

// 200 messages in two lanes under a seed; what the receiver saw.
std::vector<std::string> story(std::uint64_t seed) {
  SimNet net;
  net.wires.clear();
  net.network = std::make_unique<sim::SimNetwork>(shaky(net, seed));
  net.start(NodeId(1), Incarnation(1), "c");
  net.start(NodeId(2), Incarnation(2), "c");
  net.run_for(1s);
  for (int i = 0; i < 200; ++i) {
    std::string text = (i % 2 == 0 ? "a" : "b") + std::to_string(1000 + i);
    EXPECT_TRUE(net.wire(NodeId(1)).send(NodeId(2), bytes_of(text)));
    if (i == 150) {
      net.run_for(1ms);
      net.network->cut(NodeId(1), NodeId(2));
    }
  }
  net.run_for(1s);
  EXPECT_EQ(net.seen(NodeId(2)).ups[NodeId(1)], 2);
  return net.seen(NodeId(2)).got[NodeId(1)];
}

TEST(SimWire, LanesOvertakeEachOtherButKeepTheirOrder_A15) {
  bool overtaken = false;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::map<char, std::string> newest;
    std::map<std::string, int> times;
    std::string last;
    for (const std::string& text : story(seed)) {
      if (++times[text] > 1) continue;
      EXPECT_LT(newest[text[0]], text);
      newest[text[0]] = text;
      if (!last.empty() && text.substr(1) < last.substr(1)) overtaken = true;
      last = text;
    }
  }
  EXPECT_TRUE(overtaken);
}

TEST(SimWire, LosesWithABreakAndRepeats_M1_B8) {
  const std::vector<std::string> got = story(3);
  std::map<std::string, int> times;
  for (const std::string& text : got) ++times[text];
  EXPECT_LT(times.size(), 200u);
  EXPECT_GT(times.size(), 100u);
  EXPECT_GT(got.size(), times.size()) << "some came twice";
  for (const auto& [text, count] : times) EXPECT_LE(count, 2) << text;
}

TEST(SimWire, OneSeedIsOneStory) {
  EXPECT_EQ(story(5), story(5));
  EXPECT_NE(story(5), story(6));
}

TEST(SimWire, ABlockedPairStaysDownUntilHealed) {
  SimNet net;
  net.start(NodeId(1), Incarnation(1), "c");
  net.start(NodeId(2), Incarnation(2), "c");
  net.run_for(1s);
  ASSERT_TRUE(net.wire(NodeId(1)).up(NodeId(2)));
  net.network->block(NodeId(2), NodeId(1));
  net.run_for(10s);
  EXPECT_FALSE(net.wire(NodeId(1)).up(NodeId(2)));
  EXPECT_TRUE(net.wire(NodeId(1)).silent(NodeId(2), net.now()));
  net.network->heal(NodeId(1), NodeId(2));
  net.run_for(1s);
  EXPECT_TRUE(net.wire(NodeId(1)).up(NodeId(2)));
  EXPECT_TRUE(net.calls.empty()) << "nothing to do, nothing happens";
}

}  // namespace
}  // namespace dspm::test
