#include "fs/daemon.h"

#include <utility>
// Boost 1.74 uses std::exchange without including it.
#include <sched.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fs/dispatch.h"
#include "fs/loop.h"
#include "fs/status.h"
#include "namespace/cluster/membership.h"
#include "namespace/cluster/sqlite_cluster_store.h"
#include "namespace/tree/sqlite_name_store.h"
#include "namespace/tree/tree.h"
#include "utils/base/clock.h"
#include "utils/net/tcp_wire.h"

namespace dspm::fs {
namespace {

constexpr auto kStartLimit = std::chrono::seconds(30);

void say(const std::string& line) { std::fprintf(stderr, "dspmd: %s\n", line.c_str()); }

// On one processor a peer of this machine cannot speak while we spin (11-latency §2).
bool one_processor() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1;
}

Notifier notifier_of(Device& device) {
  Notifier n;
  n.drop = [&device](Ino ino, std::uint64_t offset, std::uint64_t length) {
    return device.drop(ino, offset, length);
  };
  n.void_attributes = [&device](Ino ino) { return device.void_attributes(ino); };
  n.raise_size = [&device](Ino ino, std::uint64_t size) { return device.raise_size(ino, size); };
  n.refresh_size = [&device](Ino ino) { return device.refresh_size(ino); };
  n.shown_ctime = [&device](Ino ino) { return device.shown_ctime(ino); };
  return n;
}

}  // namespace

// In the order of their making; they end in the other.
struct Daemon::Parts {
  explicit Parts(Config c) : config(std::move(c)) {}
  ~Parts();

  Outcome join_cluster();
  Outcome mount();
  Outcome open_names();
  Outcome listen();
  Outcome learn_cluster();
  void apply(const names::ClusterView& view);
  void end(const std::string& why);

  Config config;
  SystemClock clock;
  boost::asio::io_context io{1};
  // Keeps `io` from stopping while nothing is under way.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  boost::asio::signal_set signals{io};
  std::unique_ptr<names::ClusterStore> store;
  names::Joined joined;
  std::unique_ptr<names::NameStore> name_store;
  std::unique_ptr<Device> device;
  std::optional<Node> node;
  std::optional<Exchange> exchange;
  std::optional<names::Tree> tree;
  std::optional<Dispatch> dispatch;
  std::optional<Invalidator> invalidator;
  std::optional<Loop> loop;
  std::unique_ptr<TcpWire> wire;
  std::vector<Peer> peers;
  std::vector<GroupView> groups;
  std::optional<StatusSources> sources;
  std::unique_ptr<StatusServer> status;
  std::unique_ptr<names::ClusterStore::Watch> watch;
  std::thread unmounter;
};

Daemon::Parts::~Parts() {
  watch.reset();
  if (unmounter.joinable()) unmounter.join();
  if (device) device->abort();  // nobody inside the kernel waits for an answer any more
  if (name_store) name_store->close();
}

Outcome Daemon::Parts::join_cluster() {
  auto opened = names::open_sqlite_cluster_store(config.store);
  if (!opened) return opened.error();
  store = std::move(*opened);
  auto now_in = names::join(*store, config.cluster, config.node);
  if (!now_in) return now_in.error();
  joined = std::move(*now_in);
  return Done{};
}

Outcome Daemon::Parts::mount() {
  auto mounted = Device::mount({config.mount, config.read_ahead_kb});
  if (!mounted) return mounted.error();
  device = std::move(*mounted);
  NodeOptions options;
  options.self = config.node;
  options.incarnation = joined.incarnation;
  options.own_group = joined.group.group;
  node.emplace(std::move(options));
  exchange.emplace(*device, *node, clock);
  invalidator.emplace(notifier_of(*device));
  Loop::Options loop_options;
  if (!one_processor()) loop_options.spin = std::chrono::microseconds(config.spin_us);
  loop.emplace(io, *device, *node, *exchange, *invalidator, loop_options);
  return Done{};
}

Outcome Daemon::Parts::open_names() {
  const names::Post post = [this](std::function<void()> call) {
    boost::asio::post(io, std::move(call));
  };
  auto opened = names::open_sqlite_name_store(config.store, post, names::apply_delta);
  if (!opened) return opened.error();
  name_store = std::move(*opened);
  names::TreeOptions options;
  options.self = config.node;
  options.incarnation = joined.incarnation;
  options.layout.groups = {joined.group.group};  // `local` [S5]
  options.now = [this] { return exchange->now(); };
  tree.emplace(*name_store, std::move(options));
  dispatch.emplace(*exchange, *tree);
  loop->set_handler([this](const Request& request) { dispatch->request(request); });

  std::optional<Outcome> made;
  tree->make_root(exchange->wall(), [&made](Outcome outcome) { made = std::move(outcome); });
  const Time until = clock.now() + kStartLimit;
  while (!made && clock.now() < until) io.run_one_for(std::chrono::milliseconds(100));
  exchange->end_turn();
  if (!made) return {Status::timed_out, "store '" + config.store + "' does not answer"};
  return std::move(*made);
}

Outcome Daemon::Parts::listen() {
  TcpWire::Options options;
  options.self = {config.cluster, config.node, joined.incarnation};
  options.host = config.listen_host;
  options.port = config.listen_port;
  options.log = say;
  auto listening = TcpWire::listen(io, clock, *loop, std::move(options));
  if (!listening) return listening.error();
  wire = std::move(*listening);
  loop->set_wire(*wire);
  sources.emplace(StatusSources{config.cluster, config.node, joined.incarnation, config.mount,
                                *node, *loop, *exchange, *invalidator, *wire, groups});
  auto asked = StatusServer::listen(io, config.status_socket, [this](std::string_view line) {
    return answer_status(*sources, line);
  });
  if (!asked) return asked.error();
  status = std::move(*asked);
  return Done{};
}

Outcome Daemon::Parts::learn_cluster() {
  auto view = names::read_view(*store);
  if (!view) return view.error();
  apply(*view);
  auto watching = names::watch_view(*store, [this](const names::ClusterView& changed) {
    boost::asio::post(io, [this, changed] { apply(changed); });
  });
  if (!watching) return watching.error();
  watch = std::move(*watching);
  return Done{};
}

void Daemon::Parts::apply(const names::ClusterView& view) {
  if (joined.session->lost()) return end("another life of this node has taken its place");
  std::vector<Peer> now_peers;
  for (const auto& [id, member] : view.members)
    if (id != config.node) now_peers.push_back({id, member.host, member.port});
  if (now_peers != peers) wire->set_peers(peers = now_peers);
  for (const auto& [id, group] : view.groups) {
    if (!group.primary) continue;
    const GroupView next{id, group.epoch, group.primary, group.incarnation};
    const auto known = std::find_if(groups.begin(), groups.end(),
                                    [&](const GroupView& g) { return g.group == next.group; });
    if (known == groups.end())
      groups.push_back(next);
    else if (known->epoch < next.epoch)
      *known = next;
    else
      continue;
    exchange->step(GroupLearnt{next.group, next.epoch, next.primary, next.incarnation});
  }
}

// Unmounts beside the loop, which goes on answering until the kernel needs it no more.
void Daemon::Parts::end(const std::string& why) {
  if (unmounter.joinable()) return;
  say("ends: " + why);
  unmounter = std::thread([this] {
    device->unmount();
    boost::asio::post(io, [this] { loop->stop(); });
  });
}

Daemon::Daemon(Config config) : parts_(std::make_unique<Parts>(std::move(config))) {}
Daemon::~Daemon() = default;

Outcome Daemon::start() {
  Parts& p = *parts_;
  // Before this life is known to anybody: a second daemon of the same node ends here.
  if (auto place = Device::check_mount_point(p.config.mount); !place) return place;
  for (auto step : {&Parts::join_cluster, &Parts::mount, &Parts::open_names, &Parts::listen,
                    &Parts::learn_cluster})
    if (auto done = (p.*step)(); !done) return done;
  p.signals.add(SIGTERM);
  p.signals.add(SIGINT);
  p.signals.async_wait([&p](const boost::system::error_code& error, int signal) {
    if (!error) p.end(signal == SIGINT ? "SIGINT" : "SIGTERM");
  });
  return Done{};
}

void Daemon::run() {
  Parts& p = *parts_;
  say("node " + std::to_string(p.config.node.value) + ", incarnation " +
      std::to_string(p.joined.incarnation.value) + ", serves " + p.config.mount);
  p.loop->run();
  if (p.loop->unmounted()) say("unmounted");
}

}  // namespace dspm::fs
