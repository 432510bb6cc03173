// dspmd: serves one mount of a dspm cluster. `dspmd --config FILE` stays in the foreground. Exit
// codes: 0 ended as it was told, 1 failed, 2 wrong command line.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "fs/daemon.h"
#include "utils/config/command_line.h"
#include "utils/config/config.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace {

int complain(const std::string& what) {
  std::fprintf(stderr, "dspmd: %s\n", what.c_str());
  return 1;
}

// Messages go to the end of this file from now on.
bool log_to(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  ::dup2(fd, STDERR_FILENO);
  ::close(fd);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"dspmd: serves one mount of a dspm cluster", "dspmd"};
  std::string file;
  app.add_option("--config", file, "Configuration (TOML)")->required();
  if (const auto code = dspm::parse_words(app, argc, argv)) return *code;
  auto config = dspm::load_config(file);
  if (!config) return complain(config.error().what);
  if (::geteuid() != 0) return complain("must run as root");
  std::signal(SIGPIPE, SIG_IGN);
  // Under memory pressure its allocations must not wait for write-back that waits for it; threads
  // inherit this [2-kernel rule 14].
  const bool flusher = ::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0;
  const std::string log = config->log;
  dspm::fs::Daemon daemon(std::move(config).value());
  if (dspm::Outcome started = daemon.start(); !started) return complain(started.error().what);
  if (!log.empty() && !log_to(log)) return complain("log '" + log + "': " + std::strerror(errno));
  if (!flusher)
    complain("no PR_SET_IO_FLUSHER (CAP_SYS_RESOURCE): may stall where memory is short");
  daemon.run();
  return 0;
}
