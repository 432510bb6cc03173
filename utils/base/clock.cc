#include "utils/base/clock.h"

#include <time.h>

namespace dspm {
namespace {
std::int64_t read_ns(clockid_t which) {
  timespec t{};
  clock_gettime(which, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}
}  // namespace

Time SystemClock::now() const { return Time(Duration(read_ns(CLOCK_BOOTTIME))); }
WallTime SystemClock::wall() const { return WallTime{read_ns(CLOCK_REALTIME)}; }

}  // namespace dspm
