// What every request handler works with: the way to the node, the way back to the kernel, and who
// waits for which answer. One per mount; the loop's thread only.
#pragma once

#include <functional>
#include <unordered_map>

#include "fs/device.h"
#include "fs/node.h"
#include "utils/base/clock.h"

namespace dspm::fs {

class Exchange {
 public:
  using Then = std::function<void(const dsm::KernelAnswer&)>;

  Exchange(Device& device, Node& node, const Clock& clock);

  // ---- the turn
  // The time of this turn: the clocks are read at its first event, so that all of a turn happens at
  // one time.
  Time now() {
    read_clocks();
    return now_;
  }
  WallTime wall() {
    read_clocks();
    return wall_;
  }
  void end_turn() { clocks_read_ = false; }

  // ---- to the node
  // One step; what is to be done gathers until the loop takes it.
  void step(const NodeEvent& event) { node_.step(event, now(), effects_); }
  void step_kernel(dsm::KernelEvent event) { step(FromKernel{std::move(event)}); }
  // The same for a question of the kernel's request `unique`; `then` runs with its answer, perhaps
  // in a later turn, never within this call. One question of a request at a time.
  void ask(Unique unique, dsm::KernelEvent event, Then then);
  // A WRITE or OPEN: what to say when the node agrees.
  void ask_write(dsm::WriteRequest write);
  void ask_open(dsm::OpenRequest open);
  NodeEffects& effects() { return effects_; }
  // The node's answer: to whoever asked, else straight to the kernel.
  void answered(const dsm::KernelAnswer& answer);

  // ---- to the kernel
  Device& device() { return device_; }
  void fail(Unique unique, int error) { device_.fail(unique, error); }
  template <class Answer>
  void answer(Unique unique, const Answer& answer) {
    device_.answer(unique, answer);
  }

  std::size_t waiting() const { return waiting_.size(); }

 private:
  void read_clocks() {
    if (clocks_read_) return;
    clocks_read_ = true;
    now_ = clock_.now();
    wall_ = clock_.wall();
  }
  void answer_plainly(const dsm::KernelAnswer& answer);

  Device& device_;
  Node& node_;
  const Clock& clock_;
  bool clocks_read_ = false;
  Time now_{};
  WallTime wall_;
  NodeEffects effects_;
  struct Write {
    std::uint32_t size;
  };
  struct Open {
    std::uint64_t handle;
  };
  std::unordered_map<Unique, std::variant<Write, Open, Then>> waiting_;
};

// The unique of any answer.
inline Unique unique_of(const dsm::KernelAnswer& answer) {
  return std::visit([](const auto& a) { return a.unique; }, answer);
}
// ok unless it is a PlainAnswer that says otherwise.
inline Status status_of(const dsm::KernelAnswer& answer) {
  const auto* plain = std::get_if<dsm::PlainAnswer>(&answer);
  return plain ? plain->status : Status::ok;
}

}  // namespace dspm::fs
