// sim-run: seeded runs of real nodes over simulated kernels, network and logs.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/planted_names.h"
#include "tests/sim/scenarios.h"
#include "tests/sim/seed_pool.h"

namespace {

using namespace dspm;
using namespace dspm::sim;

constexpr const char* kUsage =
    "sim-run [--seeds A-B | --seed N [--trace] | --seconds T] [--planted [NAME]] [--jobs J]\n"
    "        [--catches K] [--once] [--list]\n"
    "  --seeds A-B     run these seeds (default 1-500), end with a line of totals\n"
    "  --seed N        run one; --trace tells its story\n"
    "  --seconds T     fresh seeds for this long\n"
    "  --planted       every planted bug over the seeds: how many seeds caught it\n"
    "  --planted NAME  the seeds with this bug\n"
    "  --scenario [N]  all scenarios, or one; --trace tells its story\n"
    "  --catches K     a planted bug needs no more than K catches (default 5)\n"
    "  --jobs J        processes (default 2)\n"
    "  --once          do not run each seed twice\n";

struct Arguments {
  std::uint64_t first = 1, last = 500, seconds = 0;
  bool one = false, trace = false, planted = false, once = false, list = false;
  std::string name, scenario;
  unsigned jobs = 2, catches = 5, most_bad = 20;
};

[[noreturn]] void usage(const std::string& what) {
  std::fprintf(stderr, "sim-run: %s\n%s", what.c_str(), kUsage);
  std::exit(2);
}

std::uint64_t number(const std::string& text) {
  std::uint64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) usage("no number: " + text);
  return v;
}

Arguments parse(const std::vector<std::string>& args) {
  Arguments a;
  for (std::size_t i = 0; i < args.size(); i++) {
    const std::string& flag = args[i];
    const bool more = i + 1 < args.size();
    const auto value = [&]() -> const std::string& {
      if (!more) usage(flag + " needs a value");
      return args[++i];
    };
    if (flag == "--seeds") {
      const std::string range = value();
      const auto dash = range.find('-');
      if (dash == std::string::npos) usage("--seeds A-B");
      a.first = number(range.substr(0, dash));
      a.last = number(range.substr(dash + 1));
    } else if (flag == "--seed") {
      a.first = a.last = number(value());
      a.one = true;
    } else if (flag == "--seconds") {
      a.seconds = number(value());
    } else if (flag == "--jobs") {
      a.jobs = unsigned(number(value()));
    } else if (flag == "--catches") {
      a.catches = unsigned(number(value()));
    } else if (flag == "--trace") {
      a.trace = true;
    } else if (flag == "--scenario") {
      a.scenario = more && args[i + 1][0] != '-' ? value() : "all";
    } else if (flag == "--once") {
      a.once = true;
    } else if (flag == "--list") {
      a.list = true;
    } else if (flag == "--planted") {
      a.planted = true;
      if (more && args[i + 1][0] != '-') a.name = value();
    } else if (flag == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    } else {
      usage("unknown: " + flag);
    }
  }
  if (a.jobs == 0 || a.first > a.last) usage("no seeds, or no jobs");
  return a;
}

void print_totals(const Totals& t, double seconds) {
  std::printf(
      "%llu seeds, %llu bad: %llu steps, %llu commits, %llu loads checked, %llu messages, %llu "
      "write()s, %llu syncs, %llu truncates, %llu refetches, %llu rewrites; %.1f s, %.0f seeds/s\n",
      (unsigned long long)t.seeds, (unsigned long long)t.bad, (unsigned long long)t.steps,
      (unsigned long long)t.commits, (unsigned long long)t.loads, (unsigned long long)t.messages,
      (unsigned long long)t.writes, (unsigned long long)t.syncs, (unsigned long long)t.truncates,
      (unsigned long long)t.refetches, (unsigned long long)t.rewrites, seconds,
      double(t.seeds) / std::max(seconds, 0.001));
}

double since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run_range(const Arguments& a) {
  const auto start = std::chrono::steady_clock::now();
  Totals totals;
  PoolOptions pool{.jobs = a.jobs, .planted = find_planted(a.name), .twice = !a.once};
  std::uint64_t first = a.first, last = a.last;
  if (a.seconds > 0) {
    first = std::uint64_t(std::chrono::system_clock::now().time_since_epoch().count()) >> 10;
    last = ~std::uint64_t{0} / 2;
  }
  run_seeds(first, last, pool, [&](const SeedOutcome& o) {
    totals.add(o.totals);
    if (!o.failure.empty()) {
      const std::string planted = a.name.empty() ? "" : " --planted " + a.name;
      std::printf("seed %llu: %s\n  replay: tests/sim-run --seed %llu --trace%s\n",
                  (unsigned long long)o.seed, o.failure.c_str(), (unsigned long long)o.seed,
                  planted.c_str());
      std::fflush(stdout);
    }
    return totals.bad < a.most_bad && (a.seconds == 0 || since(start) < double(a.seconds));
  });
  print_totals(totals, since(start));
  return totals.bad != 0;
}

int run_one(const Arguments& a) {
#ifdef DSPM_PLANTED
  g_planted = find_planted(a.name);
#endif
  const RunResult result = run_seed(a.first, a.trace);
  if (!result.failure.empty())
    std::printf("seed %llu: %s\n", (unsigned long long)a.first, result.failure.c_str());
  print_totals(result.totals, 0);
  return result.totals.bad != 0;
}

int run_scenarios(const Arguments& a) {
#ifdef DSPM_PLANTED
  g_planted = find_planted(a.name);
#endif
  int bad = 0, seen = 0;
  for (const Scenario& s : scenarios()) {
    if (a.scenario != "all" && a.scenario != s.name) continue;
    seen++;
    const std::string failure = s.run(a.trace);
    bad += !failure.empty();
    std::printf("%-10s %-18s %s\n", s.name, s.rules, failure.empty() ? "holds" : failure.c_str());
    std::fflush(stdout);
  }
  std::printf("%d scenarios, %d bad\n", seen, bad);
  return bad != 0 || seen == 0;
}

// The scenarios that notice the bug: each in a process of its own, for it may panic.
std::string scenarios_that_notice(Planted bug) {
  std::string names;
  for (const Scenario& s : scenarios()) {
    std::fflush(stdout);
    const bool notices = fails_in_child([&] {
#ifdef DSPM_PLANTED
      g_planted = bug;
#endif
      return s.run(false).empty();
    });
    if (notices) names += std::string(names.empty() ? "" : " ") + s.name;
  }
  return names;
}

int run_planted(const Arguments& a) {
  int missed = 0;
  std::printf("%-26s %7s %6s  %s\n", "planted bug", "caught", "seeds", "scenarios; first seed");
  for (const auto& [name, bug] : planted_bugs()) {
    unsigned caught = 0;
    std::uint64_t seeds = 0;
    SeedOutcome first;
    PoolOptions pool{.jobs = a.jobs, .planted = bug, .twice = false};
    run_seeds(a.first, a.last, pool, [&](const SeedOutcome& o) {
      seeds++;
      if (o.failure.empty()) return true;
      if (caught++ == 0) first = o;
      return caught < a.catches;
    });
    const std::string noticed = scenarios_that_notice(bug);
    std::printf("%-26s %7u %6llu  %s", name, caught, (unsigned long long)seeds, noticed.c_str());
    if (caught > 0)
      std::printf("; seed %llu: %s", (unsigned long long)first.seed, first.failure.c_str());
    std::printf("%s\n", caught == 0 && noticed.empty() ? "NOT CAUGHT" : "");
    std::fflush(stdout);
    missed += caught == 0 && noticed.empty();
  }
  std::printf("%zu planted bugs, %d not caught\n", planted_bugs().size(), missed);
  return missed != 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = parse({argv + 1, argv + argc});
  if (a.list) {
    for (const auto& [name, bug] : planted_bugs()) std::printf("%s\n", name);
    return 0;
  }
  if (!a.name.empty() && find_planted(a.name) == Planted::none) usage("no planted bug " + a.name);
  if (!a.scenario.empty()) return run_scenarios(a);
  if (a.one) return run_one(a);
  if (a.planted && a.name.empty()) return run_planted(a);
  return run_range(a);
}
