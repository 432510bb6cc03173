#include "tests/sim/scheduler.h"

#include <algorithm>
#include <cstdio>

namespace dspm::sim {

Scheduler::Scheduler(std::uint64_t seed, bool trace)
    : now_(Time{} + std::chrono::seconds(1)),
      state_(seed * 0x9E3779B97F4A7C15ull + 1),
      trace_(trace) {}

WallTime Scheduler::wall() const {
  return WallTime{1'700'000'000'000'000'000 + now_.time_since_epoch().count()};
}

void Scheduler::after(Duration delay, Action action) {
  queue_.push_back({now_ + delay, ++sequence_, std::move(action)});
  std::push_heap(queue_.begin(), queue_.end());
}

bool Scheduler::step() {
  if (queue_.empty()) return false;
  std::pop_heap(queue_.begin(), queue_.end());
  Entry entry = std::move(queue_.back());
  queue_.pop_back();
  now_ = entry.time;
  steps_++;
  entry.action();
  return true;
}

// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t Scheduler::random() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

void Scheduler::fail(const std::string& what) {
  say("!! ", what);
  if (failure_.empty()) failure_ = what;
}

void Scheduler::print(const std::string& line) const {
  const auto us = (now_.time_since_epoch().count() - 1'000'000'000) / 1000;
  std::printf("%10lld  %s\n", static_cast<long long>(us), line.c_str());
}

}  // namespace dspm::sim
