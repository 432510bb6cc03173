// Framing: how messages are laid into a stream of bytes, and found again in a stream that anybody
// may have written. Layout, limits and golden bytes: docs/wire.md. Pure; nothing here owns a
// socket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "utils/base/bytes.h"
#include "utils/net/wire.h"

namespace dspm {

enum class FrameType : std::uint8_t { hello = 1, refusal = 2, heartbeat = 3, message = 4 };

inline constexpr std::uint32_t kFrameMagic = 0x4D505344;  // "DSPM"
inline constexpr std::uint8_t kFrameVersion = 1;          // of this layout

// What stands before each body; little endian, no padding.
struct FrameHeader {
  std::uint32_t magic = kFrameMagic;
  std::uint8_t version = kFrameVersion;
  std::uint8_t type = 0;
  std::uint16_t flags = 0;   // reserved; anything else is refused
  std::uint32_t length = 0;  // of the body
  std::uint32_t crc = 0;     // CRC32C of the 12 bytes before it, then of the body
};
inline constexpr std::size_t kFrameHeaderBytes = 16;
static_assert(sizeof(FrameHeader) == kFrameHeaderBytes && offsetof(FrameHeader, crc) == 12);
static_assert(kMaxMessage + kFrameHeaderBytes == kMaxFrame);

// From a stranger: enough for a hello, too little to hurt.
inline constexpr std::size_t kMaxStrangerFrame = 4096;

// The header of a frame whose body is `parts` in order, together at most kMaxMessage (checked).
// The parts are read once for the CRC, never copied.
FrameHeader make_frame_header(FrameType type, std::span<const ByteSpan> parts);

// A whole frame in one piece: for small ones.
Bytes make_frame(FrameType type, ByteSpan body);

// What stands at the front of a stream.
struct FrameView {
  enum class Kind : unsigned char { incomplete, frame, bad };
  Kind kind = Kind::incomplete;
  std::size_t bytes = kFrameHeaderBytes;  // of the whole frame, as far as is known; <= the limit
  FrameType type{};                       // of a frame
  ByteSpan body;                          // of a frame: points into the stream
  WireEnd why{};                          // of a bad one: the connection must end
};

// Looks at the frame at the front of `stream`. `limit`: the largest whole frame that is allowed.
// A length is believed only below the limit, a body only after its CRC.
FrameView view_frame(ByteSpan stream, std::size_t limit);

// The receiving end of one stream: a buffer that grows to the frame that is announced at its front
// and no further, so memory is bounded by `limit`, and falls back when that frame is through.
class FrameBuffer {
 public:
  static constexpr std::size_t kUsual = std::size_t{256} << 10;
  // A buffer up to here is kept: 1 MiB transfers do not make the allocator map and unmap.
  static constexpr std::size_t kKept = std::size_t{4} << 20;

  // `limit` as of view_frame(); `usual`: size while no larger frame is announced.
  explicit FrameBuffer(std::size_t limit, std::size_t usual) : limit_(limit), usual_(usual) {}
  // What was received stays.
  void set_limits(std::size_t limit, std::size_t usual) {
    limit_ = limit;
    usual_ = usual;
  }

  // Where to receive next, never empty. Invalidates bodies that next() gave.
  std::span<std::byte> room();
  void received(std::size_t bytes) { end_ += bytes; }
  // Takes the next frame off the front. Its body is valid until room().
  FrameView next();

  std::size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  void resize(std::size_t capacity);

  std::size_t limit_;
  std::size_t usual_;
  std::size_t begin_ = 0;  // first byte not taken
  std::size_t end_ = 0;    // first byte not received
  std::size_t capacity_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

}  // namespace dspm
