// The Wire over TCP. Exactly one connection a pair: the lower node dials, the higher accepts; a new
// connection of the same or a newer incarnation replaces the old one, an older is refused [M1].
// Driven by the loop's io_context alone (readiness, then one non-blocking recv), so run_one(),
// poll() and spinning with poll() all do.
#pragma once

#include <utility>
// Boost 1.74 uses std::exchange without including it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "utils/base/clock.h"
#include "utils/base/limits.h"
#include "utils/base/result.h"
#include "utils/net/hello.h"
#include "utils/net/tcp_connection.h"
#include "utils/net/tcp_dial.h"
#include "utils/net/wire.h"

namespace dspm {

inline constexpr auto kHelloTimeout = 3s;    // connecting and both hellos; slow ones go
inline constexpr auto kSilenceCut = 5s;      // a host that vanished ends no connection by itself
inline constexpr auto kRedialFirst = 20ms;   // doubled after each failure,
inline constexpr auto kRedialLast = 1000ms;  // up to here
// Accepted connections that have not said who they are; one more ends the oldest, since an honest
// peer says it at once.
inline constexpr std::size_t kMaxStrangers = 64;

class TcpWire final : public Wire, private TcpConnection::Owner {
 public:
  struct Options {
    WireIdentity self;
    std::string host;        // name or address to listen on
    std::uint16_t port = 0;  // 0: any free one, see port()
    // Takes rare decisions, one line each: up, down, refused. May be empty.
    std::function<void(const std::string&)> log;
  };

  // Listens. `io`, `clock` and `events` outlive the wire; whatever it leaves in `io` is harmless.
  // Errors: busy (the port is taken), invalid (no such host or address here), denied, io_error.
  static Result<std::unique_ptr<TcpWire>> listen(boost::asio::io_context& io, const Clock& clock,
                                                 WireEvents& events, Options options);
  // Ends all connections; no events.
  ~TcpWire() override;
  TcpWire(const TcpWire&) = delete;
  TcpWire& operator=(const TcpWire&) = delete;

  std::uint16_t port() const { return port_; }  // that it listens on

  void set_peers(const std::vector<Peer>& peers) override;
  bool send(NodeId to, Bytes head, std::vector<Payload> payloads = {}) override;
  Incarnation up(NodeId node) const override;
  bool silent(NodeId node, Time now) const override;
  WireStatus status() const override;

 private:
  // What is known of a peer, connected or not.
  struct Line {
    Line(boost::asio::io_context& io, Peer where, Time now)
        : peer(std::move(where)), redial(io), heartbeat_due(now) {
      past.node = peer.node;
      past.heard = now;
    }
    Peer peer;
    PeerStatus past;                            // without the current connection
    std::shared_ptr<TcpConnection> connection;  // identified; may have ended a moment ago
    std::shared_ptr<TcpDial> dial;              // under way
    Time dialled{};                             // when it began
    boost::asio::steady_timer redial;
    Duration backoff = kRedialFirst;
    std::uint64_t sent_before = 0;  // bytes_sent() at the last tick
    Time heartbeat_due;
  };
  // What is known of a connection.
  struct Session {
    std::shared_ptr<TcpConnection> connection;
    Time since{};
    NodeId dialled;           // whom we called; 0 = it called us
    NodeId node;              // 0 = a stranger
    Incarnation incarnation;  // of `node`
  };

  TcpWire(boost::asio::io_context& io, const Clock& clock, WireEvents& events, Options options,
          boost::asio::ip::tcp::acceptor acceptor);

  // tcp_wire.cc: what frames and ends mean
  void on_frame(TcpConnection& connection, const FrameView& frame) override;
  void on_end(TcpConnection& connection) override;
  void on_hello(Session& session, ByteSpan body);
  void on_refusal(const Session& session, ByteSpan body);
  void identify(Session& session, const Hello& hello, Line& line);
  void refuse(Session& session, const Hello& hello, WireEnd why);
  void supersede(const Session& by);
  void lose(const Session& session);
  Hello hello_to(NodeId node) const;

  // tcp_connect.cc: how connections come about and what time does to them
  void accept();
  void on_accepted(boost::asio::ip::tcp::socket socket);
  void make_room_for_stranger();
  void dial(Line& line);
  void on_dialled(NodeId node, boost::asio::ip::tcp::socket socket);
  void dial_later(Line& line);
  void stop_dialling(Line& line);
  void forget(Line& line);
  Session& begin(boost::asio::ip::tcp::socket socket, NodeId dialled);
  void tick_later();
  void tick();
  void tend(Line& line, Time now, bool judge);

  Line* find(NodeId node);
  const Line* find(NodeId node) const;
  bool dials(NodeId node) const { return options_.self.node < node; }
  void count(WireEnd why) { ++ends_[std::size_t(why)]; }
  void log(const std::string& line) const;
  // `call` for a handler: does nothing once the wire is gone.
  template <class Call>
  auto guarded(Call call) {
    return [here = here_, call = std::move(call)](auto&&... args) mutable {
      if (*here != nullptr) call(std::forward<decltype(args)>(args)...);
    };
  }

  boost::asio::io_context& io_;
  const Clock& clock_;
  WireEvents& events_;
  Options options_;
  std::uint16_t port_ = 0;
  boost::asio::ip::tcp::acceptor acceptor_;
  bool accepting_ = false;
  boost::asio::steady_timer ticker_;
  Time ticked_;
  std::map<NodeId, Line> peers_;
  // Newest life of every node that was ever met; outlasts set_peers().
  std::map<NodeId, Incarnation> newest_;
  std::unordered_map<const TcpConnection*, Session> sessions_;
  WireEnds ends_{};
  std::string last_refused_;
  std::shared_ptr<TcpWire*> here_ = std::make_shared<TcpWire*>(this);
};

}  // namespace dspm
