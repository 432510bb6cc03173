#include <algorithm>
#include <cerrno>

#include "utils/base/check.h"
#include "utils/net/tcp_wire.h"

namespace dspm {
namespace {

using boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr auto kTick = kHeartbeatInterval / 4;

Error explain_listen(const ErrorCode& error, const TcpWire::Options& options) {
  const std::string where = "port " + std::to_string(options.port) + " on " + options.host;
  switch (error.value()) {
    case EADDRINUSE:
      return {Status::busy, where + " is taken by another program"};
    case EADDRNOTAVAIL:
      return {Status::invalid, options.host + " is no address of this machine"};
    case EACCES:
      return {Status::denied, where + " may not be listened on by this user"};
    default:
      return {Status::io_error, where + ": " + error.message()};
  }
}

}  // namespace

Result<std::unique_ptr<TcpWire>> TcpWire::listen(boost::asio::io_context& io, const Clock& clock,
                                                 WireEvents& events, Options options) {
  const WireIdentity& self = options.self;
  DSPM_CHECK(self.node && self.incarnation, self.node, self.incarnation);
  if (self.cluster.empty() || self.cluster.size() > kMaxClusterId) {
    return Error{Status::invalid, "a cluster's id has 1 to 64 bytes"};
  }
  ErrorCode error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port),
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return Error{Status::invalid, "no host is named " + options.host};
  }
  const tcp::endpoint where = found.begin()->endpoint();
  tcp::acceptor acceptor(io);
  acceptor.open(where.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(where, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return explain_listen(error, options);
  return std::unique_ptr<TcpWire>(
      new TcpWire(io, clock, events, std::move(options), std::move(acceptor)));
}

TcpWire::TcpWire(boost::asio::io_context& io, const Clock& clock, WireEvents& events,
                 Options options, tcp::acceptor acceptor)
    : io_(io),
      clock_(clock),
      events_(events),
      options_(std::move(options)),
      acceptor_(std::move(acceptor)),
      ticker_(io),
      ticked_(clock.now()) {
  ErrorCode ignored;
  port_ = acceptor_.local_endpoint(ignored).port();
  close_on_exec(acceptor_.native_handle());
  accept();
  tick_later();
}

TcpWire::~TcpWire() {
  *here_ = nullptr;
  for (auto& [node, line] : peers_) {
    if (line.dial) line.dial->cancel();
  }
  for (auto& [connection, session] : sessions_) session.connection->detach(WireEnd::removed);
}

void TcpWire::accept() {
  accepting_ = true;
  acceptor_.async_accept(guarded([this](const ErrorCode& error, tcp::socket socket) {
    accepting_ = false;
    // Out of descriptors or memory: the next tick tries again, a loop here would only burn.
    if (error) return;
    on_accepted(std::move(socket));
    accept();
  }));
}

void TcpWire::on_accepted(tcp::socket socket) {
  make_room_for_stranger();
  begin(std::move(socket), NodeId{});
}

void TcpWire::make_room_for_stranger() {
  TcpConnection* oldest = nullptr;
  Time since = kNever;
  std::size_t strangers = 0;
  for (const auto& [connection, session] : sessions_) {
    if (session.node || session.dialled || !connection->open()) continue;
    ++strangers;
    if (session.since < since) {
      since = session.since;
      oldest = session.connection.get();
    }
  }
  if (strangers >= kMaxStrangers) oldest->fail(WireEnd::too_many);
}

TcpWire::Session& TcpWire::begin(tcp::socket socket, NodeId dialled) {
  TcpConnection::Owner& owner = *this;
  auto connection = std::make_shared<TcpConnection>(std::move(socket), owner, clock_);
  Session& session = sessions_[connection.get()];
  session.connection = connection;
  session.since = clock_.now();
  session.dialled = dialled;
  connection->start();
  return session;
}

void TcpWire::dial(Line& line) {
  line.dialled = clock_.now();
  const NodeId node = line.peer.node;
  line.dial = std::make_shared<TcpDial>(
      io_, [this, node](tcp::socket socket) { on_dialled(node, std::move(socket)); });
  line.dial->start(line.peer);
}

void TcpWire::on_dialled(NodeId node, tcp::socket socket) {
  Line* line = find(node);
  DSPM_CHECK(line != nullptr, node);
  line->dial.reset();
  if (!socket.is_open()) {
    count(WireEnd::unreachable);
    return dial_later(*line);
  }
  Session& session = begin(std::move(socket), node);
  session.connection->send(FrameType::hello, encode(hello_to(node)));
}

void TcpWire::dial_later(Line& line) {
  line.redial.expires_after(line.backoff);
  line.backoff = std::min<Duration>(line.backoff * 2, kRedialLast);
  line.redial.async_wait(guarded([this, node = line.peer.node](const ErrorCode& error) {
    Line* again = find(node);
    if (error || again == nullptr || again->dial || again->connection) return;
    dial(*again);
  }));
}

void TcpWire::stop_dialling(Line& line) {
  line.redial.cancel();
  if (!line.dial) return;
  line.dial->cancel();
  line.dial.reset();
}

// A peer's address is not valid any more: neither is what was reached by it.
void TcpWire::forget(Line& line) {
  stop_dialling(line);
  if (line.connection) line.connection->fail(WireEnd::removed);
  for (auto& [connection, session] : sessions_) {
    if (session.dialled == line.peer.node) session.connection->fail(WireEnd::removed);
  }
}

void TcpWire::tick_later() {
  ticker_.expires_after(kTick);
  ticker_.async_wait(guarded([this](const ErrorCode& error) {
    if (error) return;
    tick();
    tick_later();
  }));
}

void TcpWire::tick() {
  const Time now = clock_.now();
  // A tick that comes late judges nobody: it was this node that slept, and what the others said
  // meanwhile may still lie in the sockets.
  const bool judge = now - ticked_ < 4 * kTick;
  ticked_ = now;
  if (!accepting_) accept();
  for (auto& [connection, session] : sessions_) {
    const bool slow = !session.node && now - session.since > kHelloTimeout;
    if (slow && judge) session.connection->fail(WireEnd::hello_timeout);
  }
  for (auto& [node, line] : peers_) tend(line, now, judge);
}

// [M4] Heartbeats out, silence in; and dials that lead nowhere.
void TcpWire::tend(Line& line, Time now, bool judge) {
  if (line.dial && now - line.dialled > kHelloTimeout) {
    stop_dialling(line);
    count(WireEnd::unreachable);
    dial_later(line);
  }
  if (!line.connection || !line.connection->open()) return;
  TcpConnection& connection = *line.connection;
  if (judge && now - connection.heard() > kSilenceCut) return connection.fail(WireEnd::silence);
  if (connection.bytes_sent() != line.sent_before) {
    line.sent_before = connection.bytes_sent();
    line.heartbeat_due = now + kHeartbeatInterval;
  } else if (now >= line.heartbeat_due && connection.queued_bytes() == 0) {
    connection.send(FrameType::heartbeat, {});
  }
}

}  // namespace dspm
