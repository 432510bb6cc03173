#include "tests/sim/sim_wire.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "utils/base/check.h"

namespace dspm::sim {
namespace {

constexpr Duration kSilenceCut = std::chrono::seconds(5);
constexpr Duration kStep{1};

using PairId = std::pair<NodeId, NodeId>;  // lower first: the one that dials
PairId pair_of(NodeId a, NodeId b) { return std::minmax(a, b); }

struct Message {
  Bytes head;
  std::vector<Payload> payloads;
  std::size_t bytes = 0;
};

// What one node knows of one peer.
struct Side {
  std::uint64_t life = 0;    // of the connection that its user believes in; 0 = none
  bool open = false;         // false before on_down() when this side has cut it
  Time up_at{};              // of `life`: earlier nothing may be delivered here
  std::map<int, Time> last;  // latest delivery that is planned, per lane
  PeerStatus status;
};

class SimWire;

struct Pair {
  std::uint64_t life = 0;  // of the connection that exists; 0 = none
  bool blocked = false;
  bool dialling = false;
};

}  // namespace

struct SimNetwork::Core : std::enable_shared_from_this<SimNetwork::Core> {
  Options options;
  std::mt19937_64 rng;
  std::map<NodeId, SimWire*> wires;
  std::map<PairId, Pair> pairs;
  std::uint64_t lives = 0;
  std::uint64_t serials = 0;
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;

  explicit Core(Options o) : options(std::move(o)), rng(options.seed) {}

  Time now() const { return options.now(); }
  Duration chance(Duration from, Duration to) {
    if (to <= from) return from;
    return from + Duration(std::int64_t(rng() % std::uint64_t((to - from).count() + 1)));
  }
  SimWire* find(NodeId node) {
    const auto at = wires.find(node);
    return at == wires.end() ? nullptr : at->second;
  }
  // Runs on the network, after `delay`.
  void later(Duration delay, std::function<void()> call) {
    options.schedule(delay, [self = weak_from_this(), call = std::move(call)] {
      if (const auto core = self.lock()) call();
    });
  }
  // Runs on `wire` after `delay`, once it is not frozen; not at all if it is dead by then.
  void later_on(const SimWire& wire, Duration delay, std::function<void(SimWire&)> call);

  void dial(PairId id);
  void connect(PairId id);
  bool refuses(SimWire& judge, SimWire& judged);
  void break_pair(PairId id);
  void notice(SimWire& wire, NodeId peer, std::uint64_t life);
  void deliver(SimWire& to, NodeId from, Incarnation incarnation, std::uint64_t life,
               const Message& message);
};

namespace {

class SimWire final : public Wire {
 public:
  SimWire(std::shared_ptr<SimNetwork::Core> network, const WireIdentity& identity, WireEvents& user)
      : core(std::move(network)), self(identity), events(user), serial(++core->serials) {}
  ~SimWire() override {
    last_words();
    core->wires.erase(self.node);
    for (const auto& [peer, side] : sides) core->break_pair(pair_of(self.node, peer));
  }
  SimWire(const SimWire&) = delete;
  SimWire& operator=(const SimWire&) = delete;

  void set_peers(const std::vector<Peer>& peers) override {
    const auto wanted = [&](NodeId node) {
      return std::any_of(peers.begin(), peers.end(), [&](const Peer& p) { return p.node == node; });
    };
    for (auto at = sides.begin(); at != sides.end();) {
      if (wanted(at->first)) {
        ++at;
        continue;
      }
      const NodeId peer = at->first;
      if (at->second.life != 0) {
        end(WireEnd::removed);
        core->later_on(*this, Duration{}, [peer](SimWire& wire) { wire.events.on_down(peer); });
      }
      at = sides.erase(at);
      core->break_pair(pair_of(self.node, peer));
    }
    for (const Peer& peer : peers) {
      if (peer.node == self.node || sides.contains(peer.node)) continue;
      Side& side = sides[peer.node];
      side.status.node = peer.node;
      side.status.heard = core->now();
      core->dial(pair_of(self.node, peer.node));
    }
  }

  bool send(NodeId to, Bytes head, std::vector<Payload> payloads) override {
    const auto at = sides.find(to);
    if (at == sides.end() || !at->second.open) return false;
    Side& side = at->second;
    Message message{std::move(head), std::move(payloads), 0};
    message.bytes = message.head.size();
    for (const Payload& payload : message.payloads) message.bytes += payload.bytes.size();
    DSPM_CHECK(message.bytes <= kMaxMessage, message.bytes);
    if (side.status.queued_bytes + message.bytes > kMaxPeerQueue) {
      cut(to, side);
      return false;
    }
    ++side.status.messages_sent;
    side.status.bytes_sent += message.bytes;
    const Pair& pair = core->pairs[pair_of(self.node, to)];
    SimWire* peer = core->find(to);
    if (pair.life != side.life || peer == nullptr) {  // broken, and not noticed yet
      lose(side);
      return true;
    }
    side.status.queued_bytes += message.bytes;
    transmit(*peer, side, std::move(message));
    return true;
  }

  Incarnation up(NodeId node) const override {
    const auto at = sides.find(node);
    const bool up = at != sides.end() && at->second.open;
    return up ? at->second.status.incarnation : Incarnation{};
  }

  bool silent(NodeId node, Time now) const override {  // [M4]
    const auto at = sides.find(node);
    if (at == sides.end()) return true;
    return !hears(node, at->second) && now - at->second.status.heard >= kSilence;
  }

  WireStatus status() const override {
    WireStatus all;
    all.ends = ends;
    for (const auto& [node, side] : sides) {
      PeerStatus status = side.status;
      if (hears(node, side)) status.heard = core->now();
      status.state = side.open ? PeerState::up : PeerState::connecting;
      if (silent(node, core->now())) status.state = PeerState::silent;
      all.peers.push_back(std::move(status));
    }
    return all;
  }

  // Whether heartbeats of `node` come in at this moment.
  bool hears(NodeId node, const Side& side) const {
    const SimWire* peer = core->find(node);
    return side.life != 0 && core->pairs[pair_of(self.node, node)].life == side.life &&
           peer != nullptr && !peer->frozen;
  }
  // Until now this peer was heard.
  void note_heard(NodeId node) {
    const auto at = sides.find(node);
    if (at != sides.end() && hears(node, at->second)) at->second.status.heard = core->now();
  }
  // From now on nobody hears this node.
  void last_words() {
    for (const auto& [peer, side] : sides) {
      if (SimWire* other = core->find(peer)) other->note_heard(self.node);
    }
  }
  void end(WireEnd why) { ++ends[std::size_t(why)]; }

  std::shared_ptr<SimNetwork::Core> core;
  const WireIdentity self;
  WireEvents& events;
  const std::uint64_t serial;
  std::map<NodeId, Side> sides;
  std::map<NodeId, Incarnation> newest;
  WireEnds ends{};
  bool frozen = false;
  std::uint64_t freezes = 0;
  std::vector<std::function<void(SimWire&)>> missed;  // while frozen

 private:
  void lose(Side& side) {
    ++side.status.messages_lost;
    ++core->lost;
  }

  void cut(NodeId to, Side& side) {
    side.open = false;
    lose(side);
    end(WireEnd::queue_full);
    const std::uint64_t life = side.life;
    core->later_on(*this, Duration{}, [to, life](SimWire& w) { w.core->notice(w, to, life); });
    core->break_pair(pair_of(self.node, to));
  }

  void transmit(SimWire& peer, Side& side, Message message) {
    const auto& options = core->options;
    const Time now = core->now();
    const int lane = options.lane ? options.lane(message.head) : 0;
    const Time earliest = std::max(side.last[lane], peer.sides.at(self.node).up_at);
    const Time at =
        std::max(now + core->chance(options.delay_min, options.delay_max), earliest + kStep);
    side.last[lane] = at;
    const bool twice = double(core->rng() % 1'000'000) < options.duplicates * 1e6;
    const auto shared = std::make_shared<const Message>(std::move(message));
    core->later_on(peer, at - now,
                   [from = self.node, serial = serial, incarnation = self.incarnation,
                    life = side.life, shared](SimWire& to) {
                     SimWire* sender = to.core->find(from);
                     if (sender != nullptr && sender->serial == serial) {
                       sender->left(to.self.node, life, shared->bytes);
                     }
                     to.core->deliver(to, from, incarnation, life, *shared);
                   });
    if (!twice) return;
    const Duration more = core->chance(kStep, 4 * options.delay_max);
    core->later_on(peer, at - now + more,
                   [from = self.node, incarnation = self.incarnation, life = side.life, shared](
                       SimWire& to) { to.core->deliver(to, from, incarnation, life, *shared); });
  }

  void left(NodeId to, std::uint64_t life, std::size_t bytes) {
    const auto at = sides.find(to);
    if (at != sides.end() && at->second.life == life) at->second.status.queued_bytes -= bytes;
  }
};

}  // namespace

void SimNetwork::Core::later_on(const SimWire& wire, Duration delay,
                                std::function<void(SimWire&)> call) {
  later(delay, [this, node = wire.self.node, serial = wire.serial, call = std::move(call)] {
    SimWire* there = find(node);
    if (there == nullptr || there->serial != serial) return;
    if (there->frozen || !there->missed.empty()) return there->missed.push_back(call);
    call(*there);
  });
}

// Tries to connect a pair soon; called whenever something has changed that may make it succeed.
void SimNetwork::Core::dial(PairId id) {
  Pair& pair = pairs[id];
  if (pair.life != 0 || pair.dialling) return;
  pair.dialling = true;
  later(chance(kStep, options.notice_max), [this, id] {
    pairs[id].dialling = false;
    connect(id);
  });
}

void SimNetwork::Core::connect(PairId id) {
  Pair& pair = pairs[id];
  SimWire* low = find(id.first);
  SimWire* high = find(id.second);
  if (pair.life != 0 || pair.blocked || low == nullptr || high == nullptr) return;
  if (low->frozen || high->frozen || !low->sides.contains(id.second)) return;
  if (refuses(*high, *low) || refuses(*low, *high)) return;
  pair.life = ++lives;
  for (const auto& [wire, peer] : {std::pair(low, high), std::pair(high, low)}) {
    const Duration delay = chance(kStep, options.delay_max);
    wire->sides.at(peer->self.node).up_at = now() + delay;
    wire->newest[peer->self.node] = peer->self.incarnation;
    later_on(*wire, delay, [life = pair.life, other = peer->self](SimWire& self) {
      if (self.core->pairs[pair_of(self.self.node, other.node)].life != life) return;
      self.core->notice(self, other.node, self.sides.at(other.node).life);
      Side& side = self.sides.at(other.node);
      side.life = life;
      side.open = true;
      side.last.clear();
      side.status.incarnation = other.incarnation;
      side.status.queued_bytes = 0;
      side.status.refusal.clear();
      ++side.status.connections;
      self.events.on_up(other.node, other.incarnation);
    });
  }
}

// What hellos would find.
bool SimNetwork::Core::refuses(SimWire& judge, SimWire& judged) {
  const NodeId node = judged.self.node;
  WireEnd why{};
  if (judge.self.cluster != judged.self.cluster) {
    why = WireEnd::wrong_cluster;
  } else if (!judge.sides.contains(node)) {
    why = WireEnd::unknown_node;
  } else if (judged.self.incarnation < judge.newest[node]) {  // [M1]
    why = WireEnd::old_incarnation;
  } else {
    return false;
  }
  judge.end(why);
  judged.end(WireEnd::refused);
  const auto at = judged.sides.find(judge.self.node);
  if (at != judged.sides.end()) at->second.status.refusal = to_string(why);
  return true;
}

void SimNetwork::Core::break_pair(PairId id) {
  if (pairs[id].life == 0) return;
  if (SimWire* low = find(id.first)) low->note_heard(id.second);
  if (SimWire* high = find(id.second)) high->note_heard(id.first);
  const std::uint64_t life = std::exchange(pairs[id].life, 0);
  for (const auto& [node, peer] : {id, PairId(id.second, id.first)}) {
    SimWire* wire = find(node);
    if (wire == nullptr) continue;
    later_on(*wire, chance(kStep, options.notice_max),
             [peer = peer, life](SimWire& w) { w.core->notice(w, peer, life); });
  }
  dial(id);
}

// `wire` learns that its connection `life` with `peer` is over, unless it knows.
void SimNetwork::Core::notice(SimWire& wire, NodeId peer, std::uint64_t life) {
  const auto at = wire.sides.find(peer);
  if (life == 0 || at == wire.sides.end() || at->second.life != life) return;
  if (at->second.open) wire.end(WireEnd::closed);
  at->second.open = false;
  at->second.life = 0;
  at->second.status.queued_bytes = 0;
  wire.events.on_down(peer);
  dial(pair_of(wire.self.node, peer));
}

void SimNetwork::Core::deliver(SimWire& to, NodeId from, Incarnation incarnation,
                               std::uint64_t life, const Message& message) {
  const auto side = to.sides.find(from);
  if (side == to.sides.end() || side->second.life != life || !side->second.open ||
      pairs[pair_of(from, to.self.node)].life != life) {
    ++lost;
    return;
  }
  Bytes flat = message.head;
  for (const Payload& payload : message.payloads) {
    flat.insert(flat.end(), payload.bytes.begin(), payload.bytes.end());
  }
  ++delivered;
  ++side->second.status.messages_received;
  side->second.status.bytes_received += flat.size();
  to.events.on_message(from, incarnation, flat);
}

SimNetwork::SimNetwork(Options options) : core_(std::make_shared<Core>(std::move(options))) {
  DSPM_CHECK(core_->options.schedule && core_->options.now);
}
SimNetwork::~SimNetwork() = default;

std::unique_ptr<Wire> SimNetwork::attach(const WireIdentity& self, WireEvents& events) {
  DSPM_CHECK(self.node && self.incarnation && !self.cluster.empty(), self.node, self.incarnation);
  DSPM_CHECK(core_->find(self.node) == nullptr, self.node);
  auto wire = std::make_unique<SimWire>(core_, self, events);
  core_->wires[self.node] = wire.get();
  return wire;
}

void SimNetwork::cut(NodeId a, NodeId b) { core_->break_pair(pair_of(a, b)); }

void SimNetwork::block(NodeId a, NodeId b) {
  core_->pairs[pair_of(a, b)].blocked = true;
  core_->break_pair(pair_of(a, b));
}

void SimNetwork::heal(NodeId a, NodeId b) {
  core_->pairs[pair_of(a, b)].blocked = false;
  core_->dial(pair_of(a, b));
}

void SimNetwork::freeze(NodeId node, bool frozen) {
  SimWire* wire = core_->find(node);
  if (wire == nullptr || wire->frozen == frozen) return;
  if (!frozen) {
    wire->frozen = false;
    core_->later(Duration{}, [core = core_.get(), node] {
      SimWire* w = core->find(node);
      if (w == nullptr || w->frozen) return;
      for (const auto& call : std::exchange(w->missed, {})) call(*w);
    });
    for (const auto& [peer, side] : wire->sides) core_->dial(pair_of(node, peer));
    return;
  }
  wire->last_words();
  wire->frozen = true;
  const std::uint64_t freeze = ++wire->freezes;
  core_->later(kSilenceCut, [core = core_.get(), node, serial = wire->serial, freeze] {
    SimWire* w = core->find(node);
    if (w == nullptr || w->serial != serial || !w->frozen || w->freezes != freeze) return;
    for (const auto& [peer, side] : w->sides) core->break_pair(pair_of(node, peer));
  });
}

std::uint64_t SimNetwork::delivered() const { return core_->delivered; }
std::uint64_t SimNetwork::lost() const { return core_->lost; }

}  // namespace dspm::sim
