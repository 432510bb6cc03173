// One seed: what it chooses, its run, its end.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/programs.h"
#include "tests/sim/world.h"

namespace dspm::sim {

struct Totals {
  std::uint64_t seeds = 0, bad = 0, steps = 0, commits = 0, loads = 0, messages = 0, writes = 0,
                syncs = 0, truncates = 0, refetches = 0, rewrites = 0;
  void add(const Totals& other);
};

struct RunResult {
  std::string failure;  // empty: nothing was violated
  std::uint64_t hash = 0;
  Totals totals;
};

struct SeedPlan {
  WorldOptions world;
  ProgramOptions programs;
  unsigned cuts = 0, restarts = 0;  // broken connections, nodes that come back
};

// What the seed's class and chance make of it.
SeedPlan plan(std::uint64_t seed);
RunResult run_seed(std::uint64_t seed, bool trace = false);

}  // namespace dspm::sim
