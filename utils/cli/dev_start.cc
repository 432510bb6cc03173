#include "utils/cli/dev_start.h"

#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "utils/cli/mounts.h"
#include "utils/cli/process.h"

namespace dspm::cli {
namespace {

namespace files = std::filesystem;
using std::chrono::milliseconds;

constexpr std::size_t kTail = 2000;    // bytes of the log that an error shows at most
constexpr milliseconds kAnswer{5000};  // one stat of the root
constexpr milliseconds kLookAgain{10};

// What the daemon has said since `from`.
std::string log_since(const DevNode& node, std::uint64_t from) {
  std::ifstream in(node.log, std::ios::binary);
  in.seekg(0, std::ios::end);
  const auto end = std::uint64_t(std::max<std::streamoff>(in.tellg(), 0));
  const std::uint64_t begin = end > from + kTail ? end - kTail : std::min(from, end);
  in.seekg(std::streamoff(begin));
  std::string text(end - begin, '\0');
  in.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(in.gcount()));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Error failed(const Starting& starting, Status status, const std::string& how) {
  const std::string tail = log_since(starting.node, starting.log_end);
  std::string what = "node " + std::to_string(starting.node.id.value) + " " + how + "; ";
  what += tail.empty() ? "its log says nothing: " + starting.node.log
                       : "its log (" + starting.node.log + ") ends:\n" + tail;
  return {status, what};
}

Outcome clear_mount(const DevNode& node) {
  if (mount_at(node.mount))
    if (auto done = finish_unmount(node.mount, begin_unmount(node.mount)); !done) return done;
  std::error_code error;
  files::create_directories(node.mount, error);
  if (error) return Error{Status::io_error, node.mount + ": " + error.message()};
  return Done{};
}

// Whether the mount is there and answers.
bool serves(const DevNode& node, Deadline deadline) {
  const auto mount = mount_at(node.mount);
  if (!mount || !mount->fuse()) return false;
  return begin_stat(node).result(std::min(deadline, in(kAnswer))) == 0;
}

void end_spawned(const Starting& starting) {
  if (!starting.spawned) return;
  ::kill(starting.pid, SIGKILL);
  if (const auto mount = mount_at(starting.node.mount)) {
    abort_connection(*mount);
    (void)finish_unmount(mount->point, begin_unmount(mount->point));
  }
  await_state(starting.pid, ProcessState::gone, in(kKillLimit));
}

// A daemon that was killed, while a thread of its own waits in the kernel for an answer of its own.
Outcome end_dying(const DevNode& node, pid_t pid) {
  if (const auto mount = mount_at(node.mount)) abort_connection(*mount);
  if (await_state(pid, ProcessState::gone, in(kKillLimit))) return Done{};
  return Error{Status::busy, "node " + std::to_string(node.id.value) + ": its old daemon " +
                                 std::to_string(pid) + " was killed and does not end; look at " +
                                 "/proc/" + std::to_string(pid) + "/task/*/stack"};
}

}  // namespace

Result<Starting> begin_start(const DevNode& node) {
  Starting starting;
  starting.node = node;
  starting.deadline = in(kStartLimit);
  std::error_code error;
  if (files::exists(node.log, error)) starting.log_end = files::file_size(node.log, error);
  starting.pid = daemon_of(node);
  if (starting.pid != 0 && dying(starting.pid)) {
    if (auto over = end_dying(node, starting.pid); !over) return over.error();
    starting.pid = 0;
  }
  if (starting.pid != 0) {
    if (process_state(starting.pid) == ProcessState::stopped) ::kill(starting.pid, SIGCONT);
    return starting;
  }
  const auto program = daemon_program();
  if (!program) return program.error();
  if (auto cleared = clear_mount(node); !cleared) return cleared.error();
  auto pid = spawn_daemon(*program, node);
  if (!pid) return pid.error();
  starting.pid = *pid;
  starting.spawned = true;
  return starting;
}

Outcome finish_start(const Starting& starting) {
  while (std::chrono::steady_clock::now() < starting.deadline) {
    if (serves(starting.node, starting.deadline)) return Done{};
    const bool was_dying = !starting.spawned && dying(starting.pid);
    if (was_dying) (void)end_dying(starting.node, starting.pid);
    if (await_state(starting.pid, ProcessState::gone, in(kLookAgain))) {
      if (!starting.spawned) {  // what we found was about to end: now it can be started
        const auto again = begin_start(starting.node);
        return again ? finish_start(*again) : again.error();
      }
      auto error = failed(starting, Status::unavailable, "ended at its start");
      end_spawned(starting);
      return error;
    }
  }
  auto error = failed(starting, Status::timed_out,
                      "does not answer at " + starting.node.mount + " within " +
                          std::to_string(kStartLimit.count()) + " s");
  end_spawned(starting);
  return error;
}

}  // namespace dspm::cli
