#include "utils/net/tcp_connection.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "utils/base/limits.h"

namespace dspm {
namespace {

using boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

// Most pieces of one sendmsg(2): IOV_MAX on Linux. A larger message takes several calls.
constexpr std::size_t kMaxPieces = 1024;
// Calls for one writable event, before the other descriptors have their turn.
constexpr int kWritesPerTurn = 16;

// Collects the pieces of one sendmsg(2), passing over the first `skip` bytes of what is added.
class Gather {
 public:
  void add(ByteSpan bytes) {
    if (skip_ >= bytes.size()) {
      skip_ -= bytes.size();
      return;
    }
    bytes = bytes.subspan(skip_);
    skip_ = 0;
    pieces_[count_++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
    bytes_ += bytes.size();
  }
  explicit Gather(std::size_t skip) : skip_(skip) {}
  bool full() const { return count_ == kMaxPieces; }
  std::size_t bytes() const { return bytes_; }
  msghdr message() {
    msghdr out{};
    out.msg_iov = pieces_.data();
    out.msg_iovlen = count_;
    return out;
  }

 private:
  std::array<iovec, kMaxPieces> pieces_;  // left uninitialised: 16 KiB
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t skip_;
};

}  // namespace

void close_on_exec(int descriptor) { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

TcpConnection::TcpConnection(tcp::socket socket, Owner& owner, const Clock& clock)
    : socket_(std::move(socket)), owner_(&owner), clock_(clock), heard_(clock.now()) {
  ErrorCode ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  close_on_exec(socket_.native_handle());
}

void TcpConnection::start() { await_readable(); }

void TcpConnection::trust() { in_.set_limits(kMaxFrame, FrameBuffer::kUsual); }

void TcpConnection::await_readable() {
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](ErrorCode error) {
    if (!error && self->open()) self->on_readable();
  });
}

// One recv a readiness into all the room there is; the bytes of many small frames come together.
void TcpConnection::on_readable() {
  const std::span<std::byte> room = in_.room();
  const ssize_t got = ::recv(socket_.native_handle(), room.data(), room.size(), MSG_DONTWAIT);
  if (got > 0) {
    heard_ = clock_.now();
    bytes_received_ += std::uint64_t(got);
    in_.received(std::size_t(got));
    deliver();
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    fail(WireEnd::closed);
  }
  if (open()) await_readable();
}

// A handler may end this connection: then the rest of what came belongs to nobody.
void TcpConnection::deliver() {
  while (open()) {
    const FrameView frame = in_.next();
    if (frame.kind == FrameView::Kind::incomplete) return;
    if (frame.kind == FrameView::Kind::bad) return fail(frame.why);
    if (owner_ != nullptr) owner_->on_frame(*this, frame);
  }
}

bool TcpConnection::send(FrameType type, Bytes head, std::vector<Payload> payloads) {
  if (!open()) return false;
  std::vector<ByteSpan> parts;
  parts.reserve(1 + payloads.size());
  parts.push_back(head);
  for (const Payload& payload : payloads) parts.push_back(payload.bytes);
  Outgoing out{make_frame_header(type, parts), std::move(head), std::move(payloads), 0};
  out.bytes = kFrameHeaderBytes + out.header.length;
  std::size_t sent = 0;
  if (queue_.empty()) {
    bool going = true;
    while (going && sent < out.bytes) going = write(out, sent, sent);
    if (!open()) {
      messages_lost_ += out.is_message() ? 1 : 0;
      return false;
    }
    if (sent == out.bytes) return true;
  }
  if (queued_bytes_ + out.bytes - sent > kMaxPeerQueue) {
    messages_lost_ += out.is_message() ? 1 : 0;
    fail(WireEnd::queue_full);
    return false;
  }
  enqueue(std::move(out), sent);
  return true;
}

void TcpConnection::enqueue(Outgoing out, std::size_t sent) {
  queued_bytes_ += out.bytes - sent;
  const bool first = queue_.empty();
  queue_.push_back(std::move(out));
  if (!first) return;
  front_sent_ = sent;
  await_writable();
}

// One sendmsg of `first` behind `offset`, and of what follows it in the queue if it is the front.
// Adds what was taken to `taken`. False: the socket takes no more now, or it has ended.
bool TcpConnection::write(const Outgoing& first, std::size_t offset, std::size_t& taken) {
  Gather gather(offset);
  const auto add = [&gather](const Outgoing& out) {
    gather.add(std::as_bytes(std::span(&out.header, 1)));
    if (!gather.full()) gather.add(out.head);
    for (std::size_t i = 0; i < out.payloads.size() && !gather.full(); ++i) {
      gather.add(out.payloads[i].bytes);
    }
  };
  add(first);
  for (std::size_t i = 1; i < queue_.size() && !gather.full(); ++i) add(queue_[i]);
  const msghdr message = gather.message();
  const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0) {
    if (errno == EINTR) return true;
    if (errno != EAGAIN && errno != ENOBUFS) fail(WireEnd::closed);
    return false;
  }
  bytes_sent_ += std::uint64_t(n);
  taken += std::size_t(n);
  return std::size_t(n) == gather.bytes();
}

void TcpConnection::await_writable() {
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](ErrorCode error) {
    if (!error && self->open()) self->on_writable();
  });
}

void TcpConnection::on_writable() {
  bool going = true;
  for (int i = 0; going && i < kWritesPerTurn && !queue_.empty(); ++i) {
    std::size_t taken = 0;
    going = write(queue_.front(), front_sent_, taken);
    if (!open()) return;
    queued_bytes_ -= taken;
    front_sent_ += taken;
    while (!queue_.empty() && front_sent_ >= queue_.front().bytes) {
      front_sent_ -= queue_.front().bytes;
      queue_.pop_front();
    }
  }
  if (!queue_.empty()) await_writable();
}

void TcpConnection::fail(WireEnd why) {
  if (!open()) return;
  why_ = why;
  ErrorCode ignored;
  const auto executor = socket_.get_executor();
  socket_.close(ignored);
  for (const Outgoing& out : queue_) messages_lost_ += out.is_message() ? 1 : 0;
  queue_.clear();
  queued_bytes_ = 0;
  if (owner_ == nullptr) return;
  boost::asio::post(executor, [self = shared_from_this()] {
    if (self->owner_ != nullptr) self->owner_->on_end(*self);
  });
}

void TcpConnection::detach(WireEnd why) {
  owner_ = nullptr;
  fail(why);
}

}  // namespace dspm
