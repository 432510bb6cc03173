#include "utils/cli/dev_cluster.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "utils/cli/mounts.h"
#include "utils/cli/process.h"

namespace dspm::cli {
namespace {

namespace files = std::filesystem;
constexpr std::chrono::milliseconds kLook{1000};  // what a serving mount needs at most for a stat

}  // namespace

DevNode dev_node(const std::string& dir, NodeId id) {
  DevNode node;
  node.id = id;
  node.dir = dir + "/n" + std::to_string(id.value);
  node.mount = node.dir + "/mnt";
  node.config = node.dir + "/dspmd.toml";
  node.pool = node.dir + "/pool";
  node.log = node.dir + "/log";
  node.socket = node.dir + "/status.sock";
  node.pid_file = node.dir + "/pid";
  return node;
}

Result<DevCluster> open_cluster(const std::string& dir) {
  std::error_code error;
  DevCluster cluster;
  cluster.dir = files::canonical(dir, error).string();
  for (unsigned id = 1; !error && id <= kMostNodes; ++id) {
    DevNode node = dev_node(cluster.dir, NodeId(id));
    if (::access(node.config.c_str(), F_OK) != 0) break;
    cluster.nodes.push_back(std::move(node));
  }
  if (!cluster.nodes.empty()) return cluster;
  return Error{Status::no_entry,
               dir + ": no development cluster; make one with: dspm dev up --dir " + dir};
}

Result<DevNode> find_node(const DevCluster& cluster, NodeId id) {
  for (const DevNode& node : cluster.nodes)
    if (node.id == id) return node;
  return Error{Status::no_entry, "there is no node " + std::to_string(id.value) + " in " +
                                     cluster.dir + "; its nodes are 1 to " +
                                     std::to_string(cluster.nodes.size())};
}

Result<DirLock> DirLock::take(const std::string& dir, std::chrono::milliseconds limit) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Error{Status::io_error, dir + ": " + std::strerror(errno)};
  DirLock lock(fd);
  const auto deadline = in(limit);
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= deadline)
      return Error{Status::busy, dir + ": another dspm dev command is at work there"};
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return lock;
}

DirLock::DirLock(DirLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
DirLock::~DirLock() {
  if (fd_ >= 0) ::close(fd_);
}

const char* to_string(NodeState state) {
  switch (state) {
    case NodeState::serving:
      return "serving";
    case NodeState::starting:
      return "starting";
    case NodeState::stopped:
      return "stopped";
    case NodeState::down:
      return "down";
  }
  return "?";
}

Probe begin_stat(const DevNode& node) {
  return Probe([&]() -> std::int64_t {
    struct stat attributes {};
    return ::stat(node.mount.c_str(), &attributes) == 0 ? 0 : -errno;
  });
}

std::vector<NodeReport> observe(const std::vector<DevNode>& nodes) {
  std::vector<NodeReport> reports;
  std::vector<std::pair<std::size_t, Probe>> asked;
  for (const DevNode& node : nodes) {
    NodeReport report{node, daemon_of(node), NodeState::down};
    if (report.pid != 0) {
      const bool stopped = process_state(report.pid) == ProcessState::stopped;
      report.state = stopped ? NodeState::stopped : NodeState::starting;
      const auto mount = mount_at(node.mount);
      if (!stopped && mount && mount->fuse()) asked.emplace_back(reports.size(), begin_stat(node));
    }
    reports.push_back(std::move(report));
  }
  const auto deadline = in(kLook);
  for (auto& [index, probe] : asked)
    if (probe.result(deadline) == 0) reports[index].state = NodeState::serving;
  return reports;
}

nlohmann::ordered_json to_json(const std::vector<NodeReport>& reports) {
  auto nodes = nlohmann::ordered_json::array();
  for (const NodeReport& report : reports) {
    nlohmann::ordered_json pid;
    if (report.pid != 0) pid = report.pid;
    nodes.push_back({{"node", report.node.id.value},
                     {"pid", pid},
                     {"mount", report.node.mount},
                     {"state", to_string(report.state)}});
  }
  return {{"nodes", nodes}};
}

}  // namespace dspm::cli
