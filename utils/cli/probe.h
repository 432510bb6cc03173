// Calls that may never return (anything that touches a mount whose daemon is stopped) made in a
// child, so that who asks always gets an answer or a time out.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

namespace dspm::cli {

using Deadline = std::chrono::steady_clock::time_point;
inline Deadline in(std::chrono::milliseconds limit) {
  return std::chrono::steady_clock::now() + limit;
}

class Probe {
 public:
  // Starts `work` in a child; what it returns is >= 0, or -errno. The child keeps none of our
  // descriptors: one that cannot be killed holds nobody's pipe open.
  explicit Probe(const std::function<std::int64_t()>& work);
  // Kills a child that is still at it, without waiting for its death.
  ~Probe();
  Probe(Probe&& other) noexcept;
  Probe& operator=(Probe&&) = delete;

  // What `work` returned; nothing: not until `deadline`.
  std::optional<std::int64_t> result(Deadline deadline);

 private:
  pid_t child_ = -1;
  int fd_ = -1;
  std::optional<std::int64_t> result_;
};

}  // namespace dspm::cli
