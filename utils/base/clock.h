// Port: the two clocks of a node. The loop asks it once a turn and hands the answer to the core.
#pragma once

#include "utils/base/time.h"

namespace dspm {

class Clock {
 public:
  virtual ~Clock() = default;
  // CLOCK_BOOTTIME: goes on in suspend, never back. Any thread.
  virtual Time now() const = 0;
  // CLOCK_REALTIME: may jump. Any thread.
  virtual WallTime wall() const = 0;
};

// The machine's clocks (clock_gettime(2)).
class SystemClock final : public Clock {
 public:
  Time now() const override;
  WallTime wall() const override;
};

}  // namespace dspm
