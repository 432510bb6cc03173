// Bodies of hellos and refusals from anybody: what is read is within its limits and is written back
// as it was.
#include <algorithm>
#include <cstdint>

#include "utils/base/check.h"
#include "utils/net/hello.h"

namespace {

using namespace dspm;

void try_hello(ByteSpan body) {
  const auto hello = decode_hello(body);
  if (!hello) return;
  const WireIdentity self{"demo", NodeId(2), Incarnation(5)};
  for (const NodeId dialled : {NodeId(0), NodeId(1), NodeId(3)}) {
    const auto why = judge(*hello, self, dialled);
    if (!why) continue;
    const auto refusal = decode_refusal(encode(explain(*why, *hello, self)));
    DSPM_CHECK(refusal && refusal->why == *why, to_string(*why));
  }
  if (hello->protocol != kProtocolVersion) return;
  DSPM_CHECK(hello->cluster.size() <= kMaxClusterId);
  DSPM_CHECK(std::ranges::equal(encode(*hello), body));
}

void try_refusal(ByteSpan body) {
  const auto refusal = decode_refusal(body);
  if (!refusal) return;
  DSPM_CHECK(refusal->text.size() <= kMaxRefusalText);
  for (const char c : refusal->text) DSPM_CHECK(c >= ' ' && c <= '~', int(c));
  DSPM_CHECK(*decode_refusal(encode(*refusal)) == *refusal);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan body = std::as_bytes(std::span(data, size));
  try_hello(body);
  try_refusal(body);
  return 0;
}
