// What happens to a pool in the crash tests. Each returns what is wrong, "" where nothing is.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/pool_rig.h"

namespace dspm::sim {

struct PoolTotals {
  std::uint64_t crashes = 0, crashes_inside = 0, laps = 0, checkpoints = 0;
};

// A life of crashes: sizes, kind and everything else by the seed.
std::string pool_life(std::uint64_t seed, PoolTotals& totals);

// Made, opened, used for some turns; crashes at step `at` (0: never), comes back, and crashes at
// step `inside` of that (0: not) and comes back again.
struct CrashPoint {
  std::uint64_t at = 0, inside = 0;
  bool power = true;
  Keep keep = Keep::nothing;
};
// `steps`, `inside`: how many there were, where it did not crash.
std::string pool_crash(PmemKind kind, const CrashPoint& point, std::uint64_t* steps,
                       std::uint64_t* inside);

// Bits of a quiet pool are flipped one by one, `count` of them: noticed, or harmless.
std::string pool_rot(PmemKind kind, std::uint64_t seed, unsigned count, unsigned& noticed);

}  // namespace dspm::sim
