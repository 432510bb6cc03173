// One TCP connection: frames out, frames in. Knows nothing of peers; tcp_wire.cc does.
#pragma once

#include <utility>
// Boost 1.74 uses std::exchange without including it.
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "utils/base/clock.h"
#include "utils/net/frame.h"

namespace dspm {

// No descriptor of ours goes on into programs that this one starts.
void close_on_exec(int descriptor);

// Lives on its loop's thread, held by its owner and by the handlers that are under way.
class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  // Called by the loop only, never from within a call of the connection.
  class Owner {
   public:
    virtual ~Owner() = default;
    // One frame; the body is valid during the call.
    virtual void on_frame(TcpConnection& connection, const FrameView& frame) = 0;
    // The connection is over, once, unless detach() came first.
    virtual void on_end(TcpConnection& connection) = 0;
  };

  // `socket` is connected. It becomes non-blocking, without Nagle's delay, closed on exec.
  TcpConnection(boost::asio::ip::tcp::socket socket, Owner& owner, const Clock& clock);

  // Begins to receive, as from a stranger.
  void start();
  // It has said who it is: frames up to kMaxFrame.
  void trust();

  // Sends a frame, at once and by one sendmsg(2) when nothing is queued; what the socket does not
  // take waits until it is writable. False: over, or just cut because the queue would be too long.
  bool send(FrameType type, Bytes head, std::vector<Payload> payloads = {});

  // Ends it: closed and the queue dropped at once, on_end() later. The first reason stays.
  void fail(WireEnd why);
  // fail(), and the owner hears nothing any more.
  void detach(WireEnd why);

  bool open() const { return socket_.is_open(); }
  WireEnd why() const { return why_; }  // of one that is not open
  Time heard() const { return heard_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }
  std::uint64_t bytes_received() const { return bytes_received_; }
  std::size_t queued_bytes() const { return queued_bytes_; }
  std::size_t messages_lost() const { return messages_lost_; }
  std::size_t buffer_bytes() const { return in_.capacity(); }

 private:
  struct Outgoing {
    FrameHeader header;
    Bytes head;
    std::vector<Payload> payloads;
    std::size_t bytes = 0;  // of the whole frame

    bool is_message() const { return header.type == std::uint8_t(FrameType::message); }
  };

  void await_readable();
  void on_readable();
  void deliver();
  void await_writable();
  void on_writable();
  bool write(const Outgoing& first, std::size_t offset, std::size_t& taken);
  void enqueue(Outgoing out, std::size_t sent);

  boost::asio::ip::tcp::socket socket_;
  Owner* owner_;
  const Clock& clock_;
  FrameBuffer in_{kMaxStrangerFrame, kMaxStrangerFrame};
  std::deque<Outgoing> queue_;
  std::size_t front_sent_ = 0;  // bytes of the queue's front that have left
  std::size_t queued_bytes_ = 0;
  std::size_t messages_lost_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
  Time heard_;
  WireEnd why_ = WireEnd::closed;
};

}  // namespace dspm
