// A stream of frames from anybody. First byte: bit 0 = limit, bits 1-6 = piece size, bit 7 = CRCs
// are put right first, so that what lies behind them is reached. The rest is the stream.
// Whatever comes, the buffer stays below its limit, bodies lie within it, and the pieces in which
// a stream arrives change nothing.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "utils/base/check.h"
#include "utils/net/frame.h"

namespace {

using namespace dspm;

struct Outcome {
  std::vector<Bytes> bodies;
  std::optional<WireEnd> bad;
  bool operator==(const Outcome&) const = default;
};

Outcome feed(ByteSpan stream, std::size_t limit, std::size_t piece) {
  Outcome outcome;
  FrameBuffer buffer(limit, std::min<std::size_t>(limit, 512));
  while (!stream.empty()) {
    const auto room = buffer.room();
    DSPM_CHECK(!room.empty() && buffer.capacity() <= limit, buffer.capacity(), limit);
    const std::size_t n = std::min({piece, room.size(), stream.size()});
    std::memcpy(room.data(), stream.data(), n);
    buffer.received(n);
    stream = stream.subspan(n);
    while (true) {
      const FrameView view = buffer.next();
      DSPM_CHECK(view.bytes <= limit, view.bytes);
      if (view.kind == FrameView::Kind::incomplete) break;
      if (view.kind == FrameView::Kind::bad) {
        outcome.bad = view.why;
        return outcome;
      }
      const Bytes body(view.body.begin(), view.body.end());
      const Bytes again = make_frame(view.type, body);
      DSPM_CHECK(again.size() == view.bytes);
      outcome.bodies.push_back(body);
    }
  }
  return outcome;
}

void put_crcs_right(Bytes& stream, std::size_t limit) {
  std::size_t at = 0;
  while (at < stream.size()) {
    const std::span<std::byte> rest = std::span(stream).subspan(at);
    const FrameView view = view_frame(rest, limit);
    if (view.kind == FrameView::Kind::frame) {
      at += view.bytes;
      continue;
    }
    if (view.kind == FrameView::Kind::incomplete || view.why != WireEnd::bad_crc) return;
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data() + offsetof(FrameHeader, length), sizeof length);
    const ByteSpan body = rest.subspan(kFrameHeaderBytes, length);
    const Bytes right = make_frame(FrameType(rest[offsetof(FrameHeader, type)]), body);
    std::memcpy(rest.data(), right.data(), kFrameHeaderBytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteSpan input = std::as_bytes(std::span(data + 1, size - 1));
  Bytes stream(input.begin(), input.end());
  const std::size_t limit = data[0] & 1 ? kMaxStrangerFrame : std::size_t{1} << 20;
  const std::size_t piece = 1u + (data[0] >> 1 & 63);
  if (data[0] & 128) put_crcs_right(stream, limit);
  const Outcome pieces = feed(stream, limit, piece);
  DSPM_CHECK(pieces == feed(stream, limit, stream.size() + 1));
  return 0;
}
