// The development cluster as a whole: up and down.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>

#include "commit/pool_file.h"
#include "utils/cli/dev_cluster.h"
#include "utils/cli/dev_init.h"
#include "utils/cli/dev_start.h"
#include "utils/cli/mounts.h"
#include "utils/cli/process.h"
#include "utils/config/config.h"

namespace dspm::cli {
namespace {

namespace files = std::filesystem;

constexpr std::chrono::seconds kLockLimit{5};
constexpr std::chrono::seconds kNodeLockLimit{70};
// Below what the kernel gives to outgoing connections: those could be taken when a node comes back.
constexpr unsigned kFirstPort = 10'000;
constexpr unsigned kLastPort = 32'000;

Error io_error(const std::string& path, const std::string& why) {
  return {Status::io_error, path + ": " + why};
}

bool port_free(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

Result<std::vector<std::uint16_t>> free_ports(unsigned count) {
  std::random_device random;
  std::uniform_int_distribution<unsigned> any(kFirstPort, kLastPort - kMostNodes);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const unsigned first = any(random);
    std::vector<std::uint16_t> ports;
    for (unsigned i = 0; i < count && port_free(std::uint16_t(first + i)); ++i)
      ports.push_back(std::uint16_t(first + i));
    if (ports.size() == count) return ports;
  }
  return Error{Status::busy, "no free ports on 127.0.0.1 between 10000 and 32000"};
}

std::string new_cluster_id() {
  std::random_device random;
  char id[32];
  std::snprintf(id, sizeof id, "dev-%08x%08x", random(), random());
  return id;
}

// Only an empty directory, or what an interrupted `up` left, becomes a cluster.
Outcome check_vacant(const std::string& dir) {
  static const std::regex own("n[0-9]+|store\\.db.*");
  std::error_code error;
  for (const auto& entry : files::directory_iterator(dir, error))
    if (!std::regex_match(entry.path().filename().string(), own))
      return Error{Status::not_empty, dir + " holds other things (" +
                                          entry.path().filename().string() +
                                          ") and no cluster; name another directory with --dir"};
  if (error) return io_error(dir, error.message());
  return Done{};
}

// What an interrupted `up` left is made anew: no cluster counts on it yet.
Outcome make_dev_pool(const DevNode& node, const std::string& cluster, std::uint64_t size) {
  std::error_code error;
  files::create_directories(node.dir, error);
  files::remove(node.pool, error);
  files::remove(node.pool + ".log", error);
  if (error) return io_error(node.pool, error.message());
  return commit::make_pool(node.pool, size, {cluster, node.id, commit::random_pool_id()});
}

Outcome write_config(const DevNode& node, const Config& config) {
  std::error_code error;
  files::create_directories(node.mount, error);
  if (error) return io_error(node.mount, error.message());
  const std::string draft = node.config + ".new";
  std::ofstream out(draft, std::ios::trunc);
  out << to_toml(config);
  out.close();
  if (!out || std::rename(draft.c_str(), node.config.c_str()) != 0)
    return io_error(node.config, std::strerror(errno));
  return Done{};
}

// Directories and configurations. Node 1's comes last: before, there is no cluster.
Outcome make_cluster(const std::string& dir, unsigned nodes, std::uint64_t pool_size) {
  if (auto vacant = check_vacant(dir); !vacant) return vacant;
  if (const auto socket = dev_node(dir, NodeId(nodes)).socket;
      socket.size() >= sizeof(sockaddr_un::sun_path))
    return Error{Status::too_long,
                 dir + " is too deep: " + socket + " exceeds the 107 bytes of a socket's path"};
  const auto ports = free_ports(nodes);
  if (!ports) return ports.error();
  const std::string cluster = new_cluster_id();
  for (unsigned id = nodes; id >= 1; --id) {
    const DevNode node = dev_node(dir, NodeId(id));
    Config config;
    config.cluster = cluster;
    config.node = node.id;
    config.mount = node.mount;
    config.store = dir + "/store.db";
    config.pool = node.pool;
    config.status_socket = node.socket;
    config.listen_host = "127.0.0.1";
    config.listen_port = (*ports)[id - 1];
    if (auto made = make_dev_pool(node, cluster, pool_size); !made) return made;
    if (auto written = write_config(node, config); !written) return written;
  }
  return Done{};
}

// Made where it is not, with its lock.
Result<DevCluster> ensure_cluster(const std::string& dir, const DevOptions& options) {
  if (auto cluster = open_cluster(dir)) {
    if (options.nodes && *options.nodes != cluster->nodes.size())
      return Error{Status::invalid, dir + " has " + std::to_string(cluster->nodes.size()) +
                                        " nodes; leave --nodes out, or name another --dir"};
    if (options.pool_size)
      return Error{Status::invalid,
                   dir + " has its pools; leave --pool-size out, or name another --dir"};
    return cluster;
  }
  const unsigned nodes = options.nodes.value_or(kDefaultNodes);
  if (options.replicas && *options.replicas > nodes)
    return Error{Status::invalid, "--replicas " + std::to_string(*options.replicas) +
                                      " needs as many nodes; there are " + std::to_string(nodes)};
  if (auto made = make_cluster(dir, nodes, options.pool_size.value_or(kDefaultPoolSize)); !made)
    return made.error();
  return open_cluster(dir);
}

Result<std::vector<DirLock>> lock_nodes(const DevCluster& cluster) {
  std::vector<DirLock> locks;
  for (const DevNode& node : cluster.nodes) {
    auto lock = DirLock::take(node.dir, kNodeLockLimit);
    if (!lock) return lock.error();
    locks.push_back(*std::move(lock));
  }
  return locks;
}

Outcome start_all(const DevCluster& cluster) {
  const auto locks = lock_nodes(cluster);
  if (!locks) return locks.error();
  Outcome outcome = Done{};
  std::vector<Starting> started;
  for (const DevNode& node : cluster.nodes) {
    auto starting = begin_start(node);
    if (!starting) {
      outcome = starting.error();
      break;
    }
    started.push_back(*std::move(starting));
  }
  for (auto& starting : started) {
    if (!outcome) {
      starting.deadline = {};  // not waited for, only ended
      (void)finish_start(starting);
    } else if (auto done = finish_start(starting); !done) {
      outcome = done;
    }
  }
  if (outcome) return outcome;
  for (const Starting& starting : started)
    if (starting.spawned) (void)dev_kill(starting.node, true);
  for (const Starting& starting : started)
    if (starting.spawned)
      (void)finish_unmount(starting.node.mount, begin_unmount(starting.node.mount));
  return outcome;
}

}  // namespace

Outcome dev_up(const std::string& dir, const DevOptions& options) {
  std::error_code error;
  files::create_directories(dir, error);
  if (error) return io_error(dir, error.message());
  const std::string place = files::canonical(dir, error).string();
  if (error) return io_error(dir, error.message());
  const auto lock = DirLock::take(place, kLockLimit);
  if (!lock) return lock.error();
  auto cluster = ensure_cluster(place, options);
  if (!cluster) return cluster.error();
  if (auto made = init_store(*cluster, options.replicas); !made) return made;
  return start_all(*cluster);
}

Outcome dev_down(const DevCluster& cluster) {
  const auto lock = DirLock::take(cluster.dir, kLockLimit);
  if (!lock) return lock.error();
  const auto locks = lock_nodes(cluster);
  if (!locks) return locks.error();
  // A stopped node would let the others' last commits wait.
  for (const DevNode& node : cluster.nodes)
    if (const pid_t pid = daemon_of(node))
      for (const pid_t member : session_of(pid)) ::kill(member, SIGCONT);
  // Each unmounts itself; what is left of mounts afterwards is taken away below.
  for (const DevNode& node : cluster.nodes)
    if (const pid_t pid = daemon_of(node)) ::kill(pid, SIGTERM);
  const auto deadline = in(kStopLimit);
  Outcome outcome = Done{};
  for (const DevNode& node : cluster.nodes) {
    const pid_t pid = daemon_of(node);
    if (pid != 0 && !await_state(pid, ProcessState::gone, deadline)) {
      std::fprintf(stderr, "dspm: node %u does not end by itself; killed\n", node.id.value);
      if (auto killed = dev_kill(node, true); !killed) outcome = killed;
    }
    if (const auto left = finish_unmount(node.mount, begin_unmount(node.mount)); !left)
      outcome = left;
    std::error_code ignored;
    files::remove(node.pid_file, ignored);
    files::remove(node.socket, ignored);
  }
  return outcome;
}

}  // namespace dspm::cli
