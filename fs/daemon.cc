#include "fs/daemon.h"

#include <utility>
// Boost 1.74 uses std::exchange without including it.
#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "commit/pool_file.h"
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
// From the wish to end until the end, and how much of it the kernel may take to hand over what is
// dirty.
constexpr auto kStopLimit = std::chrono::seconds(10);
constexpr auto kFlushLimit = std::chrono::seconds(5);
constexpr std::size_t kMostNamed = 10;  // objects whose loss the log names one by one

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

  Outcome open_store();
  Outcome open_pool();
  Outcome join_cluster();
  Outcome mount();
  Outcome open_names();
  Outcome listen();
  Outcome learn_cluster();
  void apply(const names::ClusterView& view);
  void watch_mounts();
  void end(const std::string& why);
  std::vector<ObjectStatus> uncommitted() const;
  bool can_commit(const ObjectStatus& object) const;
  void settle();

  Config config;
  SystemClock clock;
  boost::asio::io_context io{1};
  // Keeps `io` from stopping while nothing is under way.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  boost::asio::signal_set signals{io};
  boost::asio::posix::stream_descriptor mounts{io};
  boost::asio::steady_timer flushing{io};
  std::unique_ptr<names::ClusterStore> store;
  names::Joined joined;
  std::unique_ptr<names::NameStore> name_store;
  std::unique_ptr<Device> device;
  commit::PoolFileOpened pool;
  std::optional<Node> node;
  std::optional<Persist> persist;
  std::optional<Exchange> exchange;
  std::optional<names::Tree> tree;
  std::optional<Dispatch> dispatch;
  std::optional<Invalidator> invalidator;
  std::optional<Loop> loop;
  std::unique_ptr<TcpWire> wire;
  std::vector<Peer> peers;
  std::vector<GroupView> groups;
  std::map<NodeId, names::NodeRecord> lives;
  std::optional<StatusSources> sources;
  std::unique_ptr<StatusServer> status;
  std::unique_ptr<names::ClusterStore::Watch> watch;
  std::thread unmounter;
  Time end_by = kNever;
};

Daemon::Parts::~Parts() {
  watch.reset();
  if (unmounter.joinable()) unmounter.join();
  if (device) device->abort();  // nobody inside the kernel waits for an answer any more
  if (name_store) name_store->close();
}

Outcome Daemon::Parts::open_store() {
  auto opened = names::open_sqlite_cluster_store(config.store);
  if (!opened) return opened.error();
  store = std::move(*opened);
  return Done{};
}

std::string found_in(const commit::RecoveryReport& found) {
  return std::to_string(found.frames) + " frames, " + std::to_string(found.log_bytes) +
         " bytes of log" + (found.torn_tail ? ", its end torn by a crash" : "") +
         (found.units_torn ? ", " + std::to_string(found.units_torn) + " torn units repaired"
                           : "") +
         (found.units_unverified
              ? ", " + std::to_string(found.units_unverified) + " units could not be verified"
              : "");
}

// Before this life is known to anybody: a node whose pool is not good takes nothing over.
Outcome Daemon::Parts::open_pool() {
  const auto view = names::read_view(*store);
  if (!view) return view.error();
  const auto member = view->members.find(config.node);
  if (member == view->members.end()) return Done{};  // join_cluster says what to do
  commit::PoolOptions options;
  options.groups =
      std::size_t(std::count_if(view->groups.begin(), view->groups.end(), [&](const auto& entry) {
        const auto& members = entry.second.members;
        return std::find(members.begin(), members.end(), config.node) != members.end();
      }));
  auto opened = commit::open_pool(config.pool, {config.cluster, config.node, {}}, options);
  if (!opened) return opened.error();
  pool = std::move(*opened);
  if (const std::string id = to_string(pool.pool->id()); id != member->second.pool) {  // [S2]
    return Error{Status::foreign, "pool " + config.pool + " has id " + id +
                                      ", this node's groups count on pool " + member->second.pool +
                                      "; put that one back, or another node's copy is wrong"};
  }
  pool.pmem->on_progress([this] { boost::asio::post(io, [] {}); });
  return Done{};
}

Outcome Daemon::Parts::join_cluster() {
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
  // [P4] Pools of one cluster are alike: what fits here fits at other homes.
  options.limits.early_bytes = std::min(kEarlyCommitBytes, std::size_t(pool.pool->log_share() / 2));
  options.recovered = [this](GroupId group) {
    for (commit::RecoveredGroup& found : pool.groups) {
      if (found.group == group) return commit::restore(*pool.pool, std::move(found));
    }
    return commit::restore(*pool.pool, commit::RecoveredGroup{group, {}, {}, {}, {}});
  };
  node.emplace(std::move(options));
  persist.emplace(*pool.pmem, *pool.pool, *node);
  exchange.emplace(*device, *node, clock);
  invalidator.emplace(notifier_of(*device));
  Loop::Options loop_options;
  if (!one_processor()) loop_options.spin = std::chrono::microseconds(config.spin_us);
  loop.emplace(io, *device, *node, *exchange, *invalidator, *persist, loop_options);
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
  lives = view.nodes;
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
    GroupLearnt learnt{id, group.epoch, group.primary, group.incarnation, group.members, {}};
    for (const auto& [node, session] : view.nodes) learnt.live[node] = session.incarnation;
    exchange->step(learnt);
  }
}

// A lazy unmount by somebody else: the kernel says nothing of it, for our handle of the root keeps
// the connection.
void Daemon::Parts::watch_mounts() {
  mounts.async_wait(boost::asio::posix::descriptor_base::wait_error,
                    [this](const boost::system::error_code& error) {
                      if (error) return;
                      if (!device->is_ours()) return end("unmounted");
                      watch_mounts();
                    });
}

// Unmounts beside the loop, which goes on answering until the kernel needs it no more.
void Daemon::Parts::end(const std::string& why) {
  if (unmounter.joinable()) return;
  say("ends: " + why);
  end_by = clock.now() + kStopLimit;
  flushing.expires_after(kFlushLimit);
  flushing.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    say("the kernel has not handed over all that was stored; what it still has is lost");
    device->abort();
  });
  unmounter = std::thread([this] {
    device->unmount();
    boost::asio::post(io, [this] {
      flushing.cancel();
      loop->stop();
    });
  });
}

std::vector<ObjectStatus> Daemon::Parts::uncommitted() const {
  std::vector<ObjectStatus> found;
  for (const Ino ino : node->objects())
    if (auto object = node->object(ino); object && object->staged_bytes > 0)
      found.push_back(std::move(*object));
  return found;
}

// Whether the life that is home to the object has not ended by itself.
bool Daemon::Parts::can_commit(const ObjectStatus& object) const {
  for (const GroupView& group : groups) {
    if (group.group != object.home) continue;
    const auto life = lives.find(group.primary);
    return life != lives.end() && life->second.incarnation == group.incarnation;
  }
  return false;
}

// [L7] What is staged here goes to its homes, as long as those answer.
void Daemon::Parts::settle() {
  end_by = std::min(end_by, clock.now() + kStopLimit);
  std::vector<ObjectStatus> left = uncommitted();
  for (const ObjectStatus& object : left)
    exchange->step_kernel(dsm::SyncRequest{Unique(), object.ino});
  const auto settled = [&] {
    std::erase_if(left, [&](const ObjectStatus& object) {
      const auto now = node->object(object.ino);
      return !now || now->staged_bytes == 0 || !can_commit(object);
    });
    return left.empty();
  };
  loop->run_until(settled, end_by);
  const std::vector<ObjectStatus> lost = uncommitted();
  for (std::size_t i = 0; i < std::min(lost.size(), kMostNamed); ++i)
    say("lost: " + std::to_string(lost[i].staged_bytes) + " bytes of object " +
        std::to_string(lost[i].ino.value) + ", for its home, group " +
        std::to_string(lost[i].home.value) + ", did not answer");
  if (lost.size() > kMostNamed)
    say("lost: bytes of " + std::to_string(lost.size() - kMostNamed) + " more objects");
}

Daemon::Daemon(Config config) : parts_(std::make_unique<Parts>(std::move(config))) {}
Daemon::~Daemon() = default;

Outcome Daemon::start() {
  Parts& p = *parts_;
  // Before this life is known to anybody: a second daemon of the same node ends here.
  if (auto place = Device::check_mount_point(p.config.mount); !place) return place;
  for (auto step : {&Parts::open_store, &Parts::open_pool, &Parts::join_cluster, &Parts::mount,
                    &Parts::open_names, &Parts::listen, &Parts::learn_cluster})
    if (auto done = (p.*step)(); !done) return done;
  p.signals.add(SIGTERM);
  p.signals.add(SIGINT);
  p.signals.async_wait([&p](const boost::system::error_code& error, int signal) {
    if (!error) p.end(signal == SIGINT ? "SIGINT" : "SIGTERM");
  });
  if (const int fd = ::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC); fd >= 0) {
    p.mounts.assign(fd);
    p.watch_mounts();
  }
  return Done{};
}

void Daemon::run() {
  Parts& p = *parts_;
  say("node " + std::to_string(p.config.node.value) + ", incarnation " +
      std::to_string(p.joined.incarnation.value) + ", serves " + p.config.mount);
  say("pool " + p.config.pool + ": " + found_in(p.pool.report));
  p.loop->run();
  p.settle();
  if (p.loop->unmounted()) say("unmounted");
  if (!p.loop->failure()) {
    say(p.loop->failure().error().what + "; nothing is answered any more: mend it and start again");
  }
}

}  // namespace dspm::fs
