// Identity: the first frame that both sides of a connection send, and what makes one of them refuse
// the other. Layout and golden bytes: docs/wire.md. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "utils/base/bytes.h"
#include "utils/base/ids.h"
#include "utils/base/result.h"
#include "utils/net/wire.h"

namespace dspm {

// Version of all that goes through a connection after its hello. No two versions speak with each
// other yet.
inline constexpr std::uint16_t kProtocolVersion = 1;

struct Hello {
  std::uint16_t protocol = kProtocolVersion;
  std::uint16_t auth = 0;  // reserved: the authentication step that follows; 0 = none
  NodeId from;
  NodeId to;                // whom the sender believes to speak with
  Incarnation incarnation;  // of `from`
  std::string cluster;
  bool operator==(const Hello&) const = default;
};

Bytes encode(const Hello&);
// Of another protocol version only `protocol` is read: the rest may be laid out otherwise.
// Errors: corrupt.
Result<Hello> decode_hello(ByteSpan body);

// Why a hello is not for us; nothing: it is. `dialled`: the node that we called, 0 = it called us.
// Neither the peers nor earlier incarnations are known here: those the wire judges.
std::optional<WireEnd> judge(const Hello& hello, const WireIdentity& self, NodeId dialled);

// Says to the other side why it is refused, before the connection is closed.
struct Refusal {
  WireEnd why{};     // wrong_cluster to wrong_auth; other codes are read as `refused`
  std::string text;  // for people: at most kMaxRefusalText bytes
  bool operator==(const Refusal&) const = default;
};
inline constexpr std::size_t kMaxRefusalText = 256;

Bytes encode(const Refusal&);
// Unprintable bytes of the text come back as '?': it goes into logs. Errors: corrupt.
Result<Refusal> decode_refusal(ByteSpan body);

// The refusal that tells the sender of `hello` what is wrong with it. Names no cluster.
Refusal explain(WireEnd why, const Hello& hello, const WireIdentity& self);

}  // namespace dspm
