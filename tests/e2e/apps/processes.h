// Several processes of one program: memory and barriers that they share, and an end to each wait.
#pragma once

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/apps/app.h"

namespace e2e {

// Memory that forked processes share.
template <class T>
T* shared() {
  void* place =
      ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) die("mmap of shared memory");
  return new (place) T();
}

// Where `count` threads of several processes wait for each other.
class Barrier {
 public:
  void init(unsigned count) {
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&barrier_, &attributes, count);
    pthread_barrierattr_destroy(&attributes);
  }
  void wait() { pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

// Where the threads of `pid` are in the kernel: what one wants to know of a hang. At most six.
inline void show_threads(pid_t pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* dir = ::opendir(tasks.c_str());
  int shown = 0;
  for (dirent* entry = dir ? ::readdir(dir) : nullptr; entry && shown < 6; entry = ::readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    std::ifstream in(tasks + "/" + entry->d_name + "/stack");
    std::ostringstream stack;
    stack << in.rdbuf();
    say("  process %d thread %s:\n%s", pid, entry->d_name, stack.str().c_str());
    ++shown;
  }
  if (dir) ::closedir(dir);
}

// Runs each of `works` in a process of its own. All good and in time, or says what was not: a
// process that is still at it at the end of `limit` seconds is a hang.
inline bool run_processes(const std::vector<std::function<bool()>>& works, double limit) {
  std::vector<pid_t> running;
  std::fflush(stdout);
  for (const auto& work : works) {
    const pid_t pid = ::fork();
    if (pid < 0) die("fork");
    if (pid == 0) std::_Exit(work() ? 0 : 1);
    running.push_back(pid);
  }
  bool good = true;
  const double end = now() + limit;
  while (!running.empty() && now() < end) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    std::erase(running, pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    if (WIFSIGNALED(status)) say("process %d died of signal %d", pid, WTERMSIG(status));
    good = false;
    for (const pid_t other : running) ::kill(other, SIGTERM);
  }
  for (const pid_t pid : running) {
    say("HANG: process %d did not end in time", pid);
    show_threads(pid);
    ::kill(pid, SIGKILL);
  }
  return good && running.empty();
}

}  // namespace e2e
