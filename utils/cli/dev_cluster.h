// The development cluster: N nodes of one cluster on this machine, below one directory D.
//   D/store.db            the store that the daemons share
//   D/nK/mnt              the mount of node K
//   D/nK/dspmd.toml       its configuration; the cluster has the nodes that have one
//   D/nK/pool             its persistent memory; of a file pool the log is D/nK/pool.log
//   D/nK/{log,status.sock,pid}
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "utils/base/ids.h"
#include "utils/base/result.h"
#include "utils/cli/probe.h"

namespace dspm::cli {

inline constexpr unsigned kMostNodes = 32;
inline constexpr unsigned kDefaultNodes = 3;
inline constexpr unsigned kDefaultReplicas = 3;
inline constexpr std::uint64_t kDefaultPoolSize = std::uint64_t{1} << 30;
inline constexpr std::chrono::seconds kStartLimit{30};  // from spawn to an answered stat
// From SIGTERM to SIGKILL: longer than a daemon gives what is staged.
inline constexpr std::chrono::seconds kStopLimit{15};
inline constexpr std::chrono::seconds kKillLimit{10};  // from SIGKILL to the end

struct DevNode {
  NodeId id;
  std::string dir, mount, config, pool, log, socket, pid_file;
};

struct DevCluster {
  std::string dir;  // absolute, no symbolic links
  std::vector<DevNode> nodes;
  std::string store() const { return dir + "/store.db"; }
};

// Of a cluster that is made; one that exists keeps what it has, and other wishes are refused.
struct DevOptions {
  std::optional<unsigned> nodes;           // kDefaultNodes
  std::optional<unsigned> replicas;        // kDefaultReplicas, or the number of nodes
  std::optional<std::uint64_t> pool_size;  // kDefaultPoolSize, of each node; bytes
};

DevNode dev_node(const std::string& dir, NodeId id);

// The cluster at `dir`. Errors: no_entry.
Result<DevCluster> open_cluster(const std::string& dir);
Result<DevNode> find_node(const DevCluster& cluster, NodeId id);

// Holds others out of `dir` (a cluster's or a node's) while it lives.
class DirLock {
 public:
  // Errors: busy after `limit`, io_error.
  static Result<DirLock> take(const std::string& dir, std::chrono::milliseconds limit);
  DirLock(DirLock&& other) noexcept;
  DirLock& operator=(DirLock&&) = delete;
  ~DirLock();

 private:
  explicit DirLock(int fd) : fd_(fd) {}
  int fd_;
};

// Brings `dir` up: makes the cluster where there is none, starts what does not serve, waits until
// every mount answers. What it started ends again where that fails.
Outcome dev_up(const std::string& dir, const DevOptions& options);
// Unmounts and ends all nodes; `dir` stays.
Outcome dev_down(const DevCluster& cluster);

// One node. `all`: every process of the node, not only its daemon.
Outcome dev_start(const DevCluster& cluster, const DevNode& node);
Outcome dev_kill(const DevNode& node, bool all);
Outcome dev_stop(const DevNode& node, bool all);
Outcome dev_continue(const DevNode& node, bool all);

// How each node is, found without waiting for any of them for more than about a second.
enum class NodeState { serving, starting, stopped, down };
const char* to_string(NodeState);
struct NodeReport {
  DevNode node;
  pid_t pid = 0;  // 0 = no process
  NodeState state = NodeState::down;
};
std::vector<NodeReport> observe(const std::vector<DevNode>& nodes);
// {"nodes":[{"node":1,"pid":…,"mount":…,"state":…},…]}; pid null where there is no process.
nlohmann::ordered_json to_json(const std::vector<NodeReport>& reports);

// Asks the mount's root for its attributes.
Probe begin_stat(const DevNode& node);

}  // namespace dspm::cli
