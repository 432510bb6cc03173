#include "utils/cli/status_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dspm::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxAnswer = std::size_t{4} << 20;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error failure(Status status, const std::string& socket, const std::string& why) {
  return {status, socket + ": " + why};
}

// Whether `events` came before `deadline`.
bool ready(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd item{fd, events, 0};
    const int n = ::poll(&item, 1, int(left));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

Result<std::string> exchange(int fd, const std::string& socket, const std::string& line,
                             Clock::time_point deadline) {
  if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) != ssize_t(line.size()))
    return failure(Status::io_error, socket, std::strerror(errno));
  std::string answer;
  while (answer.size() <= kMaxAnswer) {
    if (!ready(fd, POLLIN, deadline))
      return failure(Status::timed_out, socket, "the daemon does not answer; is it stopped?");
    char buffer[16384];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n > 0) answer.append(buffer, std::size_t(n));
    if (n == 0 || answer.ends_with('\n')) return answer;
    if (n < 0 && errno != EINTR && errno != EAGAIN)
      return failure(Status::io_error, socket, std::strerror(errno));
  }
  return failure(Status::too_large, socket, "the daemon's answer does not end");
}

}  // namespace

Result<nlohmann::ordered_json> ask_daemon(const std::string& socket, const std::string& request,
                                          std::chrono::milliseconds limit) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path)
    return failure(Status::too_long, socket, "longer than the 107 bytes of a socket's path");
  std::memcpy(address.sun_path, socket.data(), socket.size());
  const Socket fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return failure(Status::io_error, socket, std::strerror(errno));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT) return failure(Status::no_entry, socket, "no such socket");
    if (errno == ECONNREFUSED) return failure(Status::unavailable, socket, "no daemon listens");
    if (errno == EAGAIN)
      return failure(Status::timed_out, socket, "the daemon does not accept; is it stopped?");
    return failure(Status::io_error, socket, std::strerror(errno));
  }
  auto answer = exchange(fd.get(), socket, request + "\n", Clock::now() + limit);
  if (!answer) return answer.error();
  auto json = nlohmann::ordered_json::parse(*answer, nullptr, false);
  if (json.is_discarded() || !json.is_object())
    return failure(Status::corrupt, socket, "the answer is no JSON object");
  if (const auto error = json.find("error"); error != json.end())
    return failure(Status::invalid, socket, error->is_string() ? error->get<std::string>() : "?");
  return json;
}

}  // namespace dspm::cli
