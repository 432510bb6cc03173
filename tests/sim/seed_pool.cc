#include "tests/sim/seed_pool.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "utils/base/check.h"

namespace dspm::sim {

namespace {

// What a worker tells about one seed; smaller than PIPE_BUF.
struct Report {
  std::uint64_t seed = 0;
  bool begun = false;  // a begin without an end: it panicked
  char failure[512] = {};
  Totals totals;
};

struct Worker {
  pid_t pid = -1;
  int fd = -1;
  std::uint64_t next = 0;  // seed
  bool running = false;
};

void work(int fd, std::uint64_t first, std::uint64_t last, unsigned step,
          const PoolOptions& options) {
#ifdef DSPM_PLANTED
  g_planted = options.planted;
#endif
  for (std::uint64_t seed = first; seed <= last; seed += step) {
    Report report{.seed = seed, .begun = true};
    if (write(fd, &report, sizeof report) < 0) break;
    RunResult result = run_seed(seed);
    if (options.twice && result.failure.empty() && run_seed(seed).hash != result.hash) {
      result.failure = "two runs of the seed end differently";
      result.totals.bad = 1;
    }
    report.begun = false;
    report.totals = result.totals;
    std::strncpy(report.failure, result.failure.c_str(), sizeof report.failure - 1);
    if (write(fd, &report, sizeof report) < 0) break;
  }
  _exit(0);
}

void spawn(Worker& worker, std::uint64_t last, const PoolOptions& options) {
  int fds[2];
  DSPM_CHECK(pipe(fds) == 0);
  worker.pid = fork();
  DSPM_CHECK(worker.pid >= 0);
  if (worker.pid == 0) {
    close(fds[0]);
    if (options.planted != Planted::none) close(STDERR_FILENO);  // its panics are expected
    work(fds[1], worker.next, last, options.jobs, options);
  }
  close(fds[1]);
  worker.fd = fds[0];
  worker.running = false;
}

// One report; false at the worker's end.
bool take(Worker& worker, Report& report) {
  std::size_t got = 0;
  while (got < sizeof report) {
    const ssize_t n = read(worker.fd, reinterpret_cast<char*>(&report) + got, sizeof report - got);
    if (n <= 0) return false;
    got += std::size_t(n);
  }
  return true;
}

void end(Worker& worker, bool stop) {
  if (stop) kill(worker.pid, SIGKILL);
  close(worker.fd);
  waitpid(worker.pid, nullptr, 0);
  worker.fd = -1;
}

// What the worker says; false where `each` wants no more.
bool hear(Worker& worker, std::uint64_t last, const PoolOptions& options,
          const std::function<bool(const SeedOutcome&)>& each) {
  Report report;
  if (take(worker, report)) {
    worker.next = report.seed;
    worker.running = report.begun;
    if (report.begun) return true;
    worker.next += options.jobs;
    return each({report.seed, report.failure, report.totals});
  }
  end(worker, false);
  if (!worker.running) return true;
  SeedOutcome panic{.seed = worker.next, .failure = "panic", .totals = {.seeds = 1, .bad = 1}};
  worker.next += options.jobs;
  if (worker.next <= last) spawn(worker, last, options);
  return each(panic);
}

}  // namespace

void run_seeds(std::uint64_t first, std::uint64_t last, const PoolOptions& options,
               const std::function<bool(const SeedOutcome&)>& each) {
  std::vector<Worker> workers(options.jobs);
  for (unsigned i = 0; i < options.jobs; i++) {
    workers[i].next = first + i;
    if (workers[i].next <= last) spawn(workers[i], last, options);
  }
  while (true) {
    std::vector<pollfd> fds;
    std::vector<Worker*> owners;
    for (Worker& w : workers) {
      if (w.fd < 0) continue;
      fds.push_back({w.fd, POLLIN, 0});
      owners.push_back(&w);
    }
    if (fds.empty()) return;
    poll(fds.data(), fds.size(), -1);
    for (std::size_t i = 0; i < fds.size(); i++) {
      if (fds[i].revents == 0) continue;
      if (hear(*owners[i], last, options, each)) continue;
      for (Worker& w : workers)
        if (w.fd >= 0) end(w, true);
      return;
    }
  }
}

bool fails_in_child(const std::function<bool()>& holds) {
  const pid_t pid = fork();
  DSPM_CHECK(pid >= 0);
  if (pid == 0) {
    close(STDERR_FILENO);
    _exit(holds() ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

}  // namespace dspm::sim
