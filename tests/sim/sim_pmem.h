// The Pmem port over simulated media, both kinds. Byte-addressable: inline, as the real one. File:
// two flushers whose writes and syncs take random times on the simulation's clock. One seed is one
// behaviour. Its destruction is kill -9: what waits in DRAM is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "tests/sim/sim_media.h"
#include "utils/base/time.h"
#include "utils/pmem/pmem.h"

namespace dspm::sim {

struct SimPmemOptions {
  std::function<void(Duration, std::function<void()>)> schedule;  // kind file
  std::uint64_t seed = 1;
  Duration delay_max = std::chrono::microseconds(400);  // of a third of a write, of a sync
  // Before each step after which a crash would leave something else; they are counted from 1. May
  // copy the media, or throw: then nothing of the step has happened, and only destruction may
  // follow.
  std::function<void(std::uint64_t point, const char* step)> before;
  // Kind file: the n-th write or sync of a flusher fails so, having done a part; 0: none does.
  std::uint64_t failing_write = 0;
  Status failure = Status::io_error;
};

// `media` outlives it. Errors: busy (open already).
Result<std::unique_ptr<Pmem>> open_sim_pmem(SimMedia& media, SimPmemOptions options);

}  // namespace dspm::sim
