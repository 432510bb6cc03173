// Runs seeds in other processes, so that a panic in one ends that one only and two cores are used.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/run.h"
#include "utils/base/planted.h"

namespace dspm::sim {

struct SeedOutcome {
  std::uint64_t seed = 0;
  std::string failure;
  Totals totals;
};

struct PoolOptions {
  unsigned jobs = 1;
  Planted planted = Planted::none;
  bool twice = true;  // each seed runs twice and must end with the same hash
};

// Runs first..last; `each` hears of every seed, in no order; false from it ends the run.
void run_seeds(std::uint64_t first, std::uint64_t last, const PoolOptions& options,
               const std::function<bool(const SeedOutcome&)>& each);

// Runs `holds` in a process of its own: true where it says false, or panics.
bool fails_in_child(const std::function<bool()>& holds);

}  // namespace dspm::sim
