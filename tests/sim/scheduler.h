// One run's clock, chance and queue of what is to happen, ordered by (time, sequence): the same
// seed gives the same run. Also its verdict (the first violation), its hash and its story.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <sstream>
#include <string>
#include <vector>

#include "utils/base/time.h"

namespace dspm::sim {

using Action = std::function<void()>;

class Scheduler {
 public:
  explicit Scheduler(std::uint64_t seed, bool trace = false);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  Time now() const { return now_; }
  WallTime wall() const;
  void after(Duration delay, Action action);
  void after_us(std::uint64_t us, Action action) {
    after(std::chrono::microseconds(us), std::move(action));
  }
  // Runs the next action; false when there is none.
  bool step();
  std::uint64_t steps() const { return steps_; }

  std::uint64_t random();
  std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : random() % n; }
  bool percent(unsigned p) { return below(100) < p; }

  // The first violation ends the run.
  void fail(const std::string& what);
  const std::string& failure() const { return failure_; }

  void mix(std::uint64_t v) { hash_ = (hash_ ^ v) * 1099511628211ull; }
  std::uint64_t hash() const { return hash_; }

  bool tracing() const { return trace_; }
  // One line of the story; its parts are printed one after the other.
  template <class... Parts>
  void say(const Parts&... parts) {
    if (!trace_) return;
    std::ostringstream line;
    ((line << parts), ...);
    print(line.str());
  }

 private:
  struct Entry {
    Time time;
    std::uint64_t sequence;
    Action action;
    bool operator<(const Entry& o) const {
      return time != o.time ? time > o.time : sequence > o.sequence;
    }
  };
  void print(const std::string& line) const;

  Time now_;
  std::uint64_t state_;
  std::uint64_t sequence_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t hash_ = 14695981039346656037ull;
  bool trace_;
  std::string failure_;
  std::vector<Entry> queue_;  // a heap
};

}  // namespace dspm::sim
