// Port: messages between the nodes of one cluster. TcpWire is the real one, SimWire (tests/sim) the
// simulated one; both pass tests/unit/utils/wire_conformance.h. Bytes on the wire: docs/wire.md.
//
// What a wire promises [M1]: a connection belongs to a pair of (node, incarnation). While it lasts
// it delivers whole messages, in the order in which they were sent (SimWire only per lane: no
// machine may rely on the order between kinds of messages). When it breaks, whatever was queued or
// in flight is LOST and nobody knows how far it came. The wire never sends anything twice: a resend
// has one owner, the machine that waits for the answer. It alone knows whether the question still
// stands and to whom it goes by now; on_up() tells it when to ask again. A wire that resent as well
// would deliver to a new incarnation what was meant for the old one.
//
// Threads: a wire belongs to one loop. Every call and every event is on the loop's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "utils/base/bytes.h"
#include "utils/base/ids.h"
#include "utils/base/limits.h"
#include "utils/base/time.h"

namespace dspm {

inline constexpr std::size_t kMaxClusterId = 64;
inline constexpr std::size_t kMaxMessage = kMaxFrame - 16;  // a frame less its header

// Who this node is, as its hello says it. Fixed for a wire's life: a new incarnation of the node
// makes a new wire.
struct WireIdentity {
  std::string cluster;  // 1 to kMaxClusterId bytes
  NodeId node;
  Incarnation incarnation;
};

// Where a peer listens. `host` is a name or an address.
struct Peer {
  NodeId node;
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const Peer&) const = default;
};

// Bytes that go after a message's head without being copied, typically a page. `owner` is held
// until they have left or their connection has ended; until then they must not change.
struct Payload {
  std::shared_ptr<const void> owner;
  ByteSpan bytes;
};

// What a wire tells its user. Never called from within a call of the wire, only by the loop.
// An event may call send(), never destroy the wire.
class WireEvents {
 public:
  virtual ~WireEvents() = default;
  // A connection with this incarnation of `node` stands: send again what is unanswered. A second
  // on_up() of the same node never comes without an on_down() between.
  virtual void on_up(NodeId node, Incarnation incarnation) = 0;
  // The connection is over. What was sent and not answered may or may not have arrived.
  virtual void on_down(NodeId node) = 0;
  // One whole message, between on_up() and on_down() of its sender: head, then payloads, without a
  // seam. The bytes are valid during the call, and of any alignment. Untrusted.
  virtual void on_message(NodeId node, Incarnation incarnation, ByteSpan message) = 0;
};

enum class PeerState : unsigned char {
  connecting,  // no connection, but it was heard less than kSilence ago
  up,
  silent,  // [M4] nothing at all was heard for kSilence, connected or not
};
std::string_view to_string(PeerState);

// Why connections ended or never began; one counter each.
enum class WireEnd : unsigned char {
  closed,           // by the other side, or by a network error
  unreachable,      // a dial that met nobody
  bad_magic,        // not our frames at all
  bad_version,      // another layout of frames
  bad_type,         // a type we do not know, or one that has no place here
  bad_flags,        // reserved bits are set
  oversize,         // announces more than is allowed here
  bad_crc,          // bytes that fail their check
  bad_hello,        // a hello or a refusal that cannot be read
  hello_timeout,    // connected and did not say who it is in time
  too_many,         // too many connections at once that have not said it
  wrong_cluster,    // hello of another cluster
  wrong_protocol,   // hello of another protocol version
  wrong_node,       // not the node that we dialled, or meant for another than us
  unknown_node,     // of our cluster, but none of our peers
  old_incarnation,  // a life of the peer that a newer one has replaced
  wrong_auth,       // an authentication step that we do not know
  refused,          // the other side refused us; PeerStatus::refusal says why
  replaced,         // by a newer connection of the same peer
  queue_full,       // more than kMaxPeerQueue waits for it
  silence,          // connected, but nothing was heard for 5 s
  removed,          // set_peers() without it, or a changed address
  count_,
};
std::string_view to_string(WireEnd);
using WireEnds = std::array<std::uint64_t, std::size_t(WireEnd::count_)>;

struct PeerStatus {
  NodeId node;
  PeerState state = PeerState::connecting;
  Incarnation incarnation;  // newest that was ever met; 0 = never met
  Time heard{};             // last time that anything came; before the first: when it became a peer
  std::uint64_t connections = 0;  // times that it came up
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t bytes_sent = 0;  // with frame headers and heartbeats
  std::uint64_t bytes_received = 0;
  std::uint64_t messages_lost = 0;  // not wholly handed to the network when the connection ended
  std::size_t queued_bytes = 0;     // waiting here to leave
  std::string refusal;              // what the peer last refused us with; empty while up
};

struct WireStatus {
  std::vector<PeerStatus> peers;  // by node
  WireEnds ends{};
  std::size_t strangers = 0;             // connections that have not said who they are
  std::size_t receive_buffer_bytes = 0;  // of all connections

  std::uint64_t ended(WireEnd why) const { return ends[std::size_t(why)]; }
};

class Wire {
 public:
  virtual ~Wire() = default;

  // The peers (this node itself is passed over); replaces what was set before. Connections of peers
  // that are left out, or whose address changed, end.
  virtual void set_peers(const std::vector<Peer>& peers) = 0;

  // Sends one message: `head`, then `payloads` in order, at once and by one system call when
  // nothing is queued for this peer, else behind what is. Together at most kMaxMessage bytes
  // (checked). False: the peer is not up (or has just been cut), and the message is dropped; its
  // sender asks again at on_up(). True promises nothing about arrival. Never calls an event.
  virtual bool send(NodeId to, Bytes head, std::vector<Payload> payloads = {}) = 0;

  // The connected incarnation of `node`, or 0 when it is not up.
  virtual Incarnation up(NodeId node) const = 0;

  // [M4] Whether nothing at all, no heartbeat either, came from `node` for kSilence until `now`.
  // Only a report: nothing follows from it here. A slow answer is not silence. Not a peer: true.
  virtual bool silent(NodeId node, Time now) const = 0;

  virtual WireStatus status() const = 0;
};

}  // namespace dspm
