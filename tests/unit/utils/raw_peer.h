// A TCP client or server that says whatever a test wants, to a TcpWire.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "utils/net/frame.h"
#include "utils/net/hello.h"

namespace dspm::test {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class RawPeer {
 public:
  // Connects to a port of this machine.
  explicit RawPeer(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const sockaddr_in address = loopback(port);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  static RawPeer of(int connected) { return RawPeer(connected, 0); }
  RawPeer(RawPeer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), got_(std::move(other.got_)), over_(other.over_) {}
  ~RawPeer() { close(); }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void say(ByteSpan bytes) { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void say(FrameType type, ByteSpan body) { say(make_frame(type, body)); }

  // Whether the other side has closed; takes in what it said meanwhile.
  bool over() {
    std::byte piece[65536];
    while (!over_) {
      const ssize_t n = ::recv(fd_, piece, sizeof piece, MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) return false;
      if (n <= 0) over_ = true;
      if (n > 0) got_.insert(got_.end(), piece, piece + n);
    }
    return true;
  }
  // Takes the next whole frame that was said.
  std::optional<std::pair<FrameType, Bytes>> frame() {
    over();
    const FrameView view = view_frame(got_, kMaxFrame);
    EXPECT_NE(view.kind, FrameView::Kind::bad);
    if (view.kind != FrameView::Kind::frame) return std::nullopt;
    auto out = std::pair(view.type, Bytes(view.body.begin(), view.body.end()));
    got_.erase(got_.begin(), got_.begin() + std::ptrdiff_t(view.bytes));
    return out;
  }

 private:
  RawPeer(int fd, int) : fd_(fd) {}
  int fd_;
  Bytes got_;
  bool over_ = false;
};

class RawServer {
 public:
  RawServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in address = loopback(0);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~RawServer() { ::close(fd_); }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  std::uint16_t port() const { return port_; }
  // A connection, if one has come.
  std::optional<RawPeer> accept() {
    const int fd = ::accept(fd_, nullptr, nullptr);
    if (fd < 0) return std::nullopt;
    return RawPeer::of(fd);
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

}  // namespace dspm::test
