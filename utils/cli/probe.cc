#include "utils/cli/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace dspm::cli {

Probe::Probe(const std::function<std::int64_t()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    result_ = -errno;
    return;
  }
  child_ = ::fork();
  if (child_ < 0) {
    result_ = -errno;
    ::close(ends[0]);
  } else if (child_ == 0) {
    // Only the pipe stays, and as a descriptor beyond the usual three.
    const int out = ::fcntl(ends[1], F_DUPFD, 10);
    ::close_range(0, unsigned(out) - 1, 0);
    ::close_range(unsigned(out) + 1, ~0u, 0);
    const std::int64_t value = work();
    const ssize_t written = ::write(out, &value, sizeof value);
    ::_exit(written == ssize_t(sizeof value) ? 0 : 1);
  } else {
    fd_ = ends[0];
  }
  ::close(ends[1]);
}

Probe::Probe(Probe&& other) noexcept
    : child_(std::exchange(other.child_, -1)),
      fd_(std::exchange(other.fd_, -1)),
      result_(other.result_) {}

Probe::~Probe() {
  if (fd_ >= 0) ::close(fd_);
  if (child_ <= 0) return;
  if (!result_) ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, result_ ? 0 : WNOHANG);
}

std::optional<std::int64_t> Probe::result(Deadline deadline) {
  while (!result_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          deadline - std::chrono::steady_clock::now())
                          .count();
    pollfd item{fd_, POLLIN, 0};
    const int n = ::poll(&item, 1, left > 0 ? int(left) : 0);
    if (n == 0) return {};
    if (n < 0) {
      if (errno == EINTR) continue;
      result_ = -errno;
      break;
    }
    std::int64_t value = -EIO;  // the child died without a word
    if (::read(fd_, &value, sizeof value) != ssize_t(sizeof value)) value = -EIO;
    result_ = value;
  }
  return result_;
}

}  // namespace dspm::cli
