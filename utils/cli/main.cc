// dspm: what people and scripts ask and tell a cluster. Exit codes: 0 done, 1 failed, 2 wrong
// command line; a failure is one line on standard error (a failed start adds the daemon's log).
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>

#include "utils/cli/commands.h"

namespace {

std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// CLI11 misses a subcommand before it says which word it took for none.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const auto strangers = app.remaining(true);
  if (error.get_exit_code() == int(CLI::ExitCodes::RequiredError) && !strangers.empty())
    return "unknown argument '" + strangers.front() + "'";
  return one_line(error.what());
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  dspm::cli::Action chosen;
  CLI::App app("dspm: look at, and in development run, a cluster of dspmd daemons", "dspm");
  app.require_subcommand(1);
  dspm::cli::add_status(app, chosen);
  dspm::cli::add_object(app, chosen);
  dspm::cli::add_dev(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "dspm: %s; see: dspm --help\n", explain(app, error).c_str());
    return 2;
  }
  const auto outcome = chosen();
  if (outcome) return 0;
  std::fprintf(stderr, "dspm: %s\n", outcome.error().what.c_str());
  return 1;
}
