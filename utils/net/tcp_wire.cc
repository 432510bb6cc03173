#include "utils/net/tcp_wire.h"

#include <algorithm>
#include <sstream>

#include "utils/base/check.h"

namespace dspm {
namespace {

template <class... Parts>
std::string line_of(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

void add_to(PeerStatus& status, const TcpConnection& connection) {
  status.heard = std::max(status.heard, connection.heard());
  status.bytes_sent += connection.bytes_sent();
  status.bytes_received += connection.bytes_received();
  status.messages_lost += connection.messages_lost();
  status.queued_bytes = connection.queued_bytes();
}

}  // namespace

void TcpWire::set_peers(const std::vector<Peer>& peers) {
  for (auto at = peers_.begin(); at != peers_.end();) {
    Line& line = at->second;
    const auto same = std::find(peers.begin(), peers.end(), line.peer);
    if (same != peers.end()) {
      ++at;
      continue;
    }
    forget(line);
    at = peers_.erase(at);
  }
  for (const Peer& peer : peers) {
    if (peer.node == options_.self.node || find(peer.node) != nullptr) continue;
    Line& line = peers_.try_emplace(peer.node, io_, peer, clock_.now()).first->second;
    if (dials(peer.node)) dial(line);
  }
}

bool TcpWire::send(NodeId to, Bytes head, std::vector<Payload> payloads) {
  Line* line = find(to);
  if (line == nullptr || !line->connection) return false;
  if (!line->connection->send(FrameType::message, std::move(head), std::move(payloads))) {
    return false;
  }
  ++line->past.messages_sent;
  return true;
}

Incarnation TcpWire::up(NodeId node) const {
  const Line* line = find(node);
  const bool up = line != nullptr && line->connection && line->connection->open();
  return up ? line->past.incarnation : Incarnation{};
}

bool TcpWire::silent(NodeId node, Time now) const {  // [M4]
  const Line* line = find(node);
  if (line == nullptr) return true;
  Time heard = line->past.heard;
  if (line->connection) heard = std::max(heard, line->connection->heard());
  return now - heard >= kSilence;
}

WireStatus TcpWire::status() const {
  WireStatus all;
  all.ends = ends_;
  for (const auto& [node, line] : peers_) {
    PeerStatus status = line.past;
    if (line.connection) add_to(status, *line.connection);
    if (silent(node, clock_.now())) {
      status.state = PeerState::silent;
    } else {
      status.state = up(node) ? PeerState::up : PeerState::connecting;
    }
    all.peers.push_back(std::move(status));
  }
  for (const auto& [connection, session] : sessions_) {
    if (!session.node && !session.dialled && connection->open()) ++all.strangers;
    all.receive_buffer_bytes += connection->buffer_bytes();
  }
  return all;
}

void TcpWire::on_frame(TcpConnection& connection, const FrameView& frame) {
  Session& session = sessions_.at(&connection);
  switch (frame.type) {
    case FrameType::message:
      if (!session.node) break;
      if (Line* line = find(session.node)) ++line->past.messages_received;
      return events_.on_message(session.node, session.incarnation, frame.body);
    case FrameType::heartbeat:
      if (!session.node || !frame.body.empty()) break;
      return;
    case FrameType::hello:
      if (session.node) break;
      return on_hello(session, frame.body);
    case FrameType::refusal:
      if (!session.node && !session.dialled) break;
      return on_refusal(session, frame.body);
  }
  connection.fail(WireEnd::bad_type);
}

void TcpWire::on_hello(Session& session, ByteSpan body) {
  const Result<Hello> hello = decode_hello(body);
  if (!hello) return session.connection->fail(WireEnd::bad_hello);
  if (const auto why = judge(*hello, options_.self, session.dialled)) {
    return refuse(session, *hello, *why);
  }
  Line* line = find(hello->from);
  if (line == nullptr) return refuse(session, *hello, WireEnd::unknown_node);
  if (hello->incarnation < newest_[hello->from]) {  // [M1]
    return refuse(session, *hello, WireEnd::old_incarnation);
  }
  identify(session, *hello, *line);
}

// Both sides are up as soon as they have read the other's hello; ours leaves before anything that
// on_up() makes its user send.
void TcpWire::identify(Session& session, const Hello& hello, Line& line) {
  TcpConnection& connection = *session.connection;
  if (!session.dialled && !connection.send(FrameType::hello, encode(hello_to(hello.from)))) {
    return;
  }
  session.node = hello.from;
  session.incarnation = hello.incarnation;
  connection.trust();
  supersede(session);
  newest_[hello.from] = hello.incarnation;
  line.connection = session.connection;
  line.backoff = kRedialFirst;
  line.sent_before = 0;
  line.heartbeat_due = clock_.now() + kHeartbeatInterval;
  line.past.incarnation = hello.incarnation;
  line.past.refusal.clear();
  ++line.past.connections;
  log(line_of("node ", session.node, " is up, incarnation ", session.incarnation));
  events_.on_up(session.node, session.incarnation);
}

// The user hears of the old connection's end before the new one's beginning.
void TcpWire::supersede(const Session& by) {
  const auto old = std::find_if(sessions_.begin(), sessions_.end(), [&by](const auto& entry) {
    return entry.second.node == by.node && entry.second.connection != by.connection;
  });
  if (old == sessions_.end()) return;
  const Session session = old->second;
  sessions_.erase(old);
  session.connection->detach(WireEnd::replaced);
  lose(session);
}

void TcpWire::refuse(Session& session, const Hello& hello, WireEnd why) {
  const Refusal refusal = explain(why, hello, options_.self);
  if (refusal.text != last_refused_) {  // a stranger that tries each second is one line
    last_refused_ = refusal.text;
    log(line_of("refused a connection (", to_string(why), "): ", refusal.text));
  }
  session.connection->send(FrameType::refusal, encode(refusal));
  session.connection->fail(why);
}

void TcpWire::on_refusal(const Session& session, ByteSpan body) {
  const Result<Refusal> refusal = decode_refusal(body);
  if (!refusal) return session.connection->fail(WireEnd::bad_hello);
  const NodeId node = session.node ? session.node : session.dialled;
  Line* line = find(node);
  if (line != nullptr && line->past.refusal != refusal->text) {
    line->past.refusal = refusal->text;
    log(line_of("node ", node, " refuses us (", to_string(refusal->why), "): ", refusal->text));
  }
  session.connection->fail(WireEnd::refused);
}

void TcpWire::on_end(TcpConnection& connection) {
  const auto at = sessions_.find(&connection);
  DSPM_CHECK(at != sessions_.end());
  const Session session = at->second;
  sessions_.erase(at);
  if (session.node) return lose(session);
  count(connection.why());
  Line* line = find(session.dialled);
  if (line != nullptr && !line->connection && !line->dial) dial_later(*line);
}

// An identified connection is over.
void TcpWire::lose(const Session& session) {
  const TcpConnection& connection = *session.connection;
  count(connection.why());
  Line* line = find(session.node);
  if (line != nullptr && line->connection == session.connection) {
    add_to(line->past, connection);
    line->connection.reset();
    if (dials(session.node) && connection.why() != WireEnd::replaced) dial_later(*line);
  }
  log(line_of("node ", session.node, " is down: ", to_string(connection.why())));
  events_.on_down(session.node);
}

Hello TcpWire::hello_to(NodeId node) const {
  Hello hello;
  hello.from = options_.self.node;
  hello.to = node;
  hello.incarnation = options_.self.incarnation;
  hello.cluster = options_.self.cluster;
  return hello;
}

TcpWire::Line* TcpWire::find(NodeId node) {
  const auto at = peers_.find(node);
  return at == peers_.end() ? nullptr : &at->second;
}

const TcpWire::Line* TcpWire::find(NodeId node) const {
  const auto at = peers_.find(node);
  return at == peers_.end() ? nullptr : &at->second;
}

void TcpWire::log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

}  // namespace dspm
