// One node of a development cluster: start, kill, stop, cont.
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "utils/cli/dev_cluster.h"
#include "utils/cli/dev_start.h"
#include "utils/cli/mounts.h"
#include "utils/cli/process.h"

namespace dspm::cli {
namespace {

constexpr std::chrono::seconds kSignalLimit{5};     // until a stop or a continue shows
constexpr std::chrono::milliseconds kGrace{1000};   // until a killed daemon counts as stuck
constexpr std::chrono::seconds kNodeLockLimit{70};  // longer than a start

std::string name(const DevNode& node) { return "node " + std::to_string(node.id.value); }

Outcome send(const DevNode& node, pid_t pid, int signal, bool all) {
  const auto targets = all ? session_of(pid) : std::vector<pid_t>{pid};
  for (const pid_t target : targets)
    if (::kill(target, signal) != 0 && errno != ESRCH)
      return Error{Status::denied, name(node) + ": cannot signal process " +
                                       std::to_string(target) + ": " + std::strerror(errno)};
  return Done{};
}

Error not_running(const DevNode& node) {
  return {Status::unavailable,
          name(node) + " is down; start it with: dspm dev start " + std::to_string(node.id.value)};
}

}  // namespace

Outcome dev_start(const DevCluster&, const DevNode& node) {
  auto lock = DirLock::take(node.dir, kNodeLockLimit);
  if (!lock) return lock.error();
  auto starting = begin_start(node);
  if (!starting) return starting.error();
  return finish_start(*starting);
}

Outcome dev_kill(const DevNode& node, bool all) {
  const pid_t pid = daemon_of(node);
  if (pid == 0) return Done{};
  if (auto sent = send(node, pid, SIGKILL, all); !sent) return sent;
  if (await_state(pid, ProcessState::gone, in(kGrace))) return Done{};
  // A thread inside a notify waits for a page whose WRITE only this daemon could have answered.
  if (const auto mount = mount_at(node.mount)) abort_connection(*mount);
  if (await_state(pid, ProcessState::gone, in(kKillLimit))) return Done{};
  return Error{Status::timed_out,
               name(node) + ": process " + std::to_string(pid) + " does not end although killed"};
}

Outcome dev_stop(const DevNode& node, bool all) {
  const pid_t pid = daemon_of(node);
  if (pid == 0) return not_running(node);
  if (auto sent = send(node, pid, SIGSTOP, all); !sent) return sent;
  if (await_state(pid, ProcessState::stopped, in(kSignalLimit))) return Done{};
  return Error{Status::timed_out, name(node) + " does not stop"};
}

Outcome dev_continue(const DevNode& node, bool all) {
  const pid_t pid = daemon_of(node);
  if (pid == 0) return not_running(node);
  if (auto sent = send(node, pid, SIGCONT, all); !sent) return sent;
  if (await_state(pid, ProcessState::running, in(kSignalLimit))) return Done{};
  return Error{Status::timed_out, name(node) + " does not continue"};
}

}  // namespace dspm::cli
