#include "tests/sim/pool_stories.h"

#include <algorithm>

#include "commit/format.h"

namespace dspm::sim {
namespace {

// Opens; where creation was interrupted, makes it.
void bring_up(PoolRig& rig) {
  if (rig.open()) return;
  rig.create();
  rig.crash(false, Keep::nothing, 0);
  rig.open();
}

// True: it crashed.
template <class Work>
bool crashes(PoolRig& rig, std::uint64_t at, const Work& work) {
  rig.arm(at);
  try {
    work();
  } catch (const Crash&) {
    return true;
  }
  return false;
}

void live(Scheduler& dice, PoolRig& rig, PoolTotals& totals) {
  const auto some_keep = [&] { return Keep(dice.below(3)); };
  bool up = false;
  for (unsigned round = 0; round < 10; ++round) {
    bool crashed = crashes(rig, 1 + dice.below(dice.percent(30) ? 60 : 1500), [&] {
      if (!up) bring_up(rig);
      rig.work(60 + unsigned(dice.below(200)));
    });
    ++totals.crashes;
    for (;;) {
      rig.crash(dice.percent(70), some_keep(), dice.random());
      crashed = crashes(rig, dice.percent(60) ? 1 + dice.below(30) : 0, [&] { bring_up(rig); });
      if (!crashed) break;
      ++totals.crashes_inside;
    }
    up = true;
  }
  rig.arm(0);
  rig.work(50);
  rig.quiesce();
  rig.compare();
}

PoolRigOptions some_options(Scheduler& dice, std::uint64_t seed) {
  PoolRigOptions options;
  options.seed = seed;
  options.kind = dice.percent(50) ? PmemKind::file : PmemKind::byte_addressable;
  options.ring = 16384 + 4096 * dice.below(8);
  options.fragment = 256u << dice.below(4);
  options.groups = 1 + std::uint32_t(dice.below(3));
  options.frames = options.groups * (45 + dice.below(40));
  return options;
}

}  // namespace

std::string pool_life(std::uint64_t seed, PoolTotals& totals) {
  Scheduler dice(seed);
  PoolRig rig(some_options(dice, seed));
  try {
    live(dice, rig, totals);
  } catch (const Violation& violation) {
    return violation.what();
  }
  totals.laps += rig.laps();
  totals.checkpoints += rig.checkpoints();
  return "";
}

std::string pool_crash(PmemKind kind, const CrashPoint& point, std::uint64_t* steps,
                       std::uint64_t* inside) {
  PoolRigOptions options;
  options.kind = kind;
  options.ring = 16384;
  options.frames = 90;
  PoolRig rig(options);
  try {
    crashes(rig, point.at, [&] {
      bring_up(rig);
      rig.work(kind == PmemKind::file ? 60 : 25);
    });
    if (steps != nullptr) *steps = rig.steps();
    rig.crash(point.power, point.keep, point.at);
    const bool again = crashes(rig, point.inside, [&] { bring_up(rig); });
    if (inside != nullptr) *inside = rig.steps();
    if (again) {
      rig.crash(point.power, point.keep, point.inside);
      rig.arm(0);
      bring_up(rig);
    }
    rig.arm(0);
    rig.work(10);
    rig.quiesce();
    rig.compare();
  } catch (const Violation& violation) {
    return violation.what();
  }
  return "";
}

std::string pool_rot(PmemKind kind, std::uint64_t seed, unsigned count, unsigned& noticed) {
  Scheduler dice(seed);
  PoolRigOptions options;
  options.kind = kind;
  options.seed = seed;
  PoolRig rig(options);
  try {
    bring_up(rig);
    rig.work(300);
    rig.quiesce(seed % 2 == 0);
    rig.crash(true, Keep::nothing, 0);
  } catch (const Violation& violation) {
    return violation.what();
  }
  const SimMedia sound = rig.media();
  for (unsigned n = 0; n < count; ++n) {
    rig.media() = sound;
    const bool log = dice.percent(60);
    SimRegion& region = rig.media().region(log ? PmemRegion::log : PmemRegion::pool);
    // Half of the pool's flips hit what is not pages.
    const std::uint64_t range =
        !log && dice.percent(50) ? commit::format::frame_offset(options.frames, 0) : region.size();
    region.flip_bit(dice.below(range), unsigned(dice.below(8)));
    try {
      if (!rig.look().empty()) ++noticed;
    } catch (const Violation& violation) {
      return violation.what();
    }
  }
  return "";
}

}  // namespace dspm::sim
