// One attempt to reach a peer's listening socket.
#pragma once

#include <utility>
// Boost 1.74 uses std::exchange without including it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "utils/net/wire.h"

namespace dspm {

// Lives on its loop's thread.
class TcpDial : public std::enable_shared_from_this<TcpDial> {
 public:
  // The connected socket, or a closed one: nobody was reached.
  using Done = std::function<void(boost::asio::ip::tcp::socket)>;

  TcpDial(boost::asio::io_context& io, Done done)
      : resolver_(io), socket_(io), done_(std::move(done)) {}

  // Calls `done` later, once, unless cancel() comes first. An address is dialled as it stands; a
  // name goes through Asio's resolver, which has a thread of its own.
  void start(const Peer& peer);
  void cancel();

 private:
  using Endpoints = boost::asio::ip::tcp::resolver::results_type;
  void connect(const Endpoints& endpoints);
  void finish(const boost::system::error_code& error);

  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  Done done_;
};

}  // namespace dspm
