#include "utils/cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "utils/cli/dev_cluster.h"

namespace dspm::cli {
namespace {

namespace files = std::filesystem;

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

struct Stat {
  std::string name;
  char state = 'X';
  pid_t session = 0;
};

// Of /proc/PID/stat or …/task/TID/stat; the name in it may hold blanks and parentheses.
Stat read_stat(const std::string& path) {
  Stat stat;
  const std::string text = slurp(path);
  const auto close = text.rfind(')');
  const auto open = text.find('(');
  if (close == std::string::npos || open > close) return stat;
  stat.name = text.substr(open + 1, close - open - 1);
  std::istringstream words(text.substr(close + 1));
  pid_t parent = 0;
  pid_t group = 0;
  words >> stat.state >> parent >> group >> stat.session;
  return stat;
}

std::string proc(pid_t pid) { return "/proc/" + std::to_string(pid); }

bool ended(char state) { return state == 'Z' || state == 'X' || state == 'x'; }

bool runs_config(pid_t pid, const std::string& config) {
  const std::string line = slurp(proc(pid) + "/cmdline");
  const std::string wanted = std::string("\0--config\0", 10) + config + '\0';
  return line.find(wanted) != std::string::npos;
}

void write_pid(const DevNode& node, pid_t pid) {
  const std::string draft = node.pid_file + ".new";
  std::ofstream(draft) << pid << '\n';
  std::rename(draft.c_str(), node.pid_file.c_str());
}

struct SpawnOptions {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  explicit SpawnOptions(const std::string& log) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_init(&attributes);
    sigset_t set;
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attributes, &set);
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD})
      sigaddset(&set, signal);
    posix_spawnattr_setsigdefault(&attributes, &set);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnOptions() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;
};

}  // namespace

ProcessState process_state(pid_t pid) {
  const char state = read_stat(proc(pid) + "/stat").state;
  if (state == 'T' || state == 't') return ProcessState::stopped;
  if (!ended(state)) return ProcessState::running;
  std::error_code error;
  for (const auto& task : files::directory_iterator(proc(pid) + "/task", error))
    if (!ended(read_stat(task.path().string() + "/stat").state)) return ProcessState::running;
  return ProcessState::gone;
}

bool dying(pid_t pid) {
  return ended(read_stat(proc(pid) + "/stat").state) && process_state(pid) != ProcessState::gone;
}

pid_t daemon_of(const DevNode& node) {
  pid_t pid = 0;
  std::ifstream(node.pid_file) >> pid;
  if (pid <= 1 || process_state(pid) == ProcessState::gone) return 0;
  // Its main thread may have ended while others have not: then there is no command line left.
  const bool daemon =
      dying(pid) ? read_stat(proc(pid) + "/stat").name == "dspmd" : runs_config(pid, node.config);
  return daemon ? pid : 0;
}

std::vector<pid_t> session_of(pid_t pid) {
  std::vector<pid_t> members{pid};
  std::error_code error;
  for (const auto& entry : files::directory_iterator("/proc", error)) {
    const pid_t other = pid_t(std::atoi(entry.path().filename().c_str()));
    if (other <= 1 || other == pid) continue;
    const Stat stat = read_stat(proc(other) + "/stat");
    if (stat.session == pid && !ended(stat.state)) members.push_back(other);
  }
  return members;
}

Result<pid_t> spawn_daemon(const std::string& program, const DevNode& node) {
  const SpawnOptions options(node.log);
  std::string name = program;
  std::string flag = "--config";
  std::string config = node.config;
  char* arguments[] = {name.data(), flag.data(), config.data(), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &options.actions, &options.attributes,
                                  arguments, environ);
  if (error != 0)
    return Error{Status::io_error, program + ": cannot be started: " + std::strerror(error)};
  write_pid(node, pid);
  return pid;
}

bool await_state(pid_t pid, ProcessState state, Deadline deadline) {
  for (;;) {
    ::waitpid(pid, nullptr, WNOHANG);
    if (process_state(pid) == state) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Result<std::string> daemon_program() {
  std::error_code error;
  const auto self = files::read_symlink("/proc/self/exe", error);
  const std::string program = (self.parent_path() / "dspmd").string();
  if (::access(program.c_str(), X_OK) != 0)
    return Error{Status::no_entry, program + ": no such program; dspmd belongs beside dspm"};
  return program;
}

}  // namespace dspm::cli
