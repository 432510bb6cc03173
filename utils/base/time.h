// Time as data. The core never asks a clock: `now` comes in with each event.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace dspm {

// CLOCK_BOOTTIME of one machine, nanoseconds. Only differences mean anything.
struct BootClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using Time = BootClock::time_point;
using Duration = std::chrono::nanoseconds;
inline constexpr Time kNever = Time::max();

// Wall clock, nanoseconds since 1970; enters the core only as data (mtime stamps).
struct WallTime {
  std::int64_t ns = 0;
  auto operator<=>(const WallTime&) const = default;
};

}  // namespace dspm
