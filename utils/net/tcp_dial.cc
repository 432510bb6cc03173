#include "utils/net/tcp_dial.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <string>

namespace dspm {

using boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

void TcpDial::start(const Peer& peer) {
  ErrorCode no_address;
  const auto address = boost::asio::ip::make_address(peer.host, no_address);
  if (!no_address) {
    return connect(Endpoints::create(tcp::endpoint(address, peer.port), peer.host, ""));
  }
  resolver_.async_resolve(
      peer.host, std::to_string(peer.port), tcp::resolver::numeric_service,
      [self = shared_from_this()](const ErrorCode& error, const Endpoints& endpoints) {
        if (error) return self->finish(error);
        self->connect(endpoints);
      });
}

void TcpDial::connect(const Endpoints& endpoints) {
  if (!done_) return;
  boost::asio::async_connect(
      socket_, endpoints,
      [self = shared_from_this()](const ErrorCode& error, const tcp::endpoint&) {
        self->finish(error);
      });
}

void TcpDial::finish(const ErrorCode& error) {
  if (!done_) return;
  ErrorCode ignored;
  if (error) socket_.close(ignored);
  const Done done = std::exchange(done_, nullptr);
  done(std::move(socket_));
}

void TcpDial::cancel() {
  done_ = nullptr;
  ErrorCode ignored;
  resolver_.cancel();
  socket_.close(ignored);
}

}  // namespace dspm
