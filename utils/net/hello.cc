#include "utils/net/hello.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace dspm {
namespace {

// Codes of refusals on the wire: the place in this list, from 1. Append only.
constexpr std::array kRefusals{WireEnd::wrong_cluster,   WireEnd::wrong_protocol,
                               WireEnd::wrong_node,      WireEnd::unknown_node,
                               WireEnd::old_incarnation, WireEnd::wrong_auth};

Error unreadable(const char* what) { return {Status::corrupt, what}; }

}  // namespace

Bytes encode(const Hello& hello) {
  Writer out;
  out.put(hello.protocol);
  out.put(hello.auth);
  out.put(hello.from);
  out.put(hello.to);
  out.put(hello.incarnation);
  out.text(hello.cluster);
  return out.take();
}

Result<Hello> decode_hello(ByteSpan body) {
  Reader in(body);
  Hello hello;
  in.get(hello.protocol);
  if (in.ok() && hello.protocol != kProtocolVersion) return hello;
  in.get(hello.auth);
  in.get(hello.from);
  in.get(hello.to);
  in.get(hello.incarnation);
  hello.cluster = in.text(kMaxClusterId);
  if (!in.finished()) return unreadable("hello of a wrong length");
  if (!hello.from || !hello.incarnation) return unreadable("hello of nobody");
  if (hello.cluster.empty()) return unreadable("hello of no cluster");
  return hello;
}

std::optional<WireEnd> judge(const Hello& hello, const WireIdentity& self, NodeId dialled) {
  if (hello.protocol != kProtocolVersion) return WireEnd::wrong_protocol;
  if (hello.cluster != self.cluster) return WireEnd::wrong_cluster;
  if (hello.auth != 0) return WireEnd::wrong_auth;
  if (hello.to != self.node) return WireEnd::wrong_node;
  // The lower node dials: one connection a pair, without a tie to break.
  if (dialled ? hello.from != dialled : hello.from >= self.node) return WireEnd::wrong_node;
  return std::nullopt;
}

Bytes encode(const Refusal& refusal) {
  const auto* at = std::find(kRefusals.begin(), kRefusals.end(), refusal.why);
  Writer out;
  out.put(std::uint16_t(at == kRefusals.end() ? 0 : at - kRefusals.begin() + 1));
  out.text(std::string_view(refusal.text).substr(0, kMaxRefusalText));
  return out.take();
}

Result<Refusal> decode_refusal(ByteSpan body) {
  Reader in(body);
  const auto code = in.get<std::uint16_t>();
  Refusal refusal;
  refusal.text = in.text(kMaxRefusalText);
  if (!in.finished()) return unreadable("refusal of a wrong length");
  const bool known = code >= 1 && code <= kRefusals.size();
  refusal.why = known ? kRefusals[code - 1u] : WireEnd::refused;
  std::replace_if(
      refusal.text.begin(), refusal.text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return refusal;
}

Refusal explain(WireEnd why, const Hello& hello, const WireIdentity& self) {
  std::ostringstream text;
  text << "node " << self.node << ": ";
  switch (why) {
    case WireEnd::wrong_cluster:
      text << "I am of another cluster";
      break;
    case WireEnd::wrong_protocol:
      text << "I speak protocol " << kProtocolVersion << ", not " << hello.protocol;
      break;
    case WireEnd::wrong_node:
      text << "node " << hello.from << " has no business with node " << hello.to << " here";
      break;
    case WireEnd::unknown_node:
      text << "I know no node " << hello.from;
      break;
    case WireEnd::old_incarnation:
      text << "a newer life of node " << hello.from << " than " << hello.incarnation << " exists";
      break;
    case WireEnd::wrong_auth:
      text << "I know no authentication step " << hello.auth;
      break;
    default:
      text << to_string(why);
      break;
  }
  return {why, text.str()};
}

}  // namespace dspm
