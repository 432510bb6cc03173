// dspm: what people and scripts ask and tell a cluster. Exit codes: 0 done, 1 failed, 2 wrong
// command line; a failure is one line on standard error (a failed start adds the daemon's log).
#include <csignal>
#include <cstdio>

#include "utils/cli/commands.h"
#include "utils/config/command_line.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  dspm::cli::Action chosen;
  CLI::App app("dspm: look at, and in development run, a cluster of dspmd daemons", "dspm");
  app.require_subcommand(1);
  dspm::cli::add_status(app, chosen);
  dspm::cli::add_object(app, chosen);
  dspm::cli::add_dev(app, chosen);
  dspm::cli::add_pool(app, chosen);
  if (const auto code = dspm::parse_words(app, argc, argv)) return *code;
  const auto outcome = chosen();
  if (outcome) return 0;
  std::fprintf(stderr, "dspm: %s\n", outcome.error().what.c_str());
  return 1;
}
