#include "utils/net/frame.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "utils/base/check.h"
#include "utils/base/crc32c.h"

namespace dspm {
namespace {

constexpr std::size_t kChecked = offsetof(FrameHeader, crc);

ByteSpan checked_bytes(const FrameHeader& header) {
  return std::as_bytes(std::span(&header, 1)).first(kChecked);
}

bool known(std::uint8_t type) {
  return type >= std::uint8_t(FrameType::hello) && type <= std::uint8_t(FrameType::message);
}

FrameView bad(WireEnd why) {
  FrameView view;
  view.kind = FrameView::Kind::bad;
  view.why = why;
  return view;
}

}  // namespace

FrameHeader make_frame_header(FrameType type, std::span<const ByteSpan> parts) {
  std::size_t length = 0;
  for (const ByteSpan part : parts) length += part.size();
  DSPM_CHECK(length <= kMaxMessage, length);
  FrameHeader header;
  header.type = std::uint8_t(type);
  header.length = std::uint32_t(length);
  header.crc = crc32c(checked_bytes(header));
  for (const ByteSpan part : parts) header.crc = crc32c(part, header.crc);
  return header;
}

Bytes make_frame(FrameType type, ByteSpan body) {
  const FrameHeader header = make_frame_header(type, std::span(&body, 1));
  Writer out;
  out.raw(std::as_bytes(std::span(&header, 1)));
  out.raw(body);
  return out.take();
}

FrameView view_frame(ByteSpan stream, std::size_t limit) {
  FrameView view;
  if (stream.size() < kFrameHeaderBytes) return view;
  FrameHeader header;
  std::memcpy(&header, stream.data(), kFrameHeaderBytes);
  if (header.magic != kFrameMagic) return bad(WireEnd::bad_magic);
  if (header.version != kFrameVersion) return bad(WireEnd::bad_version);
  if (!known(header.type)) return bad(WireEnd::bad_type);
  if (header.flags != 0) return bad(WireEnd::bad_flags);
  if (header.length > limit - kFrameHeaderBytes) return bad(WireEnd::oversize);
  view.bytes = kFrameHeaderBytes + header.length;
  if (stream.size() < view.bytes) return view;
  const ByteSpan body = stream.subspan(kFrameHeaderBytes, header.length);
  if (crc32c(body, crc32c(checked_bytes(header))) != header.crc) return bad(WireEnd::bad_crc);
  view.kind = FrameView::Kind::frame;
  view.type = FrameType(header.type);
  view.body = body;
  return view;
}

std::span<std::byte> FrameBuffer::room() {
  const std::size_t held = end_ - begin_;
  if (begin_ > 0 && held > 0) std::memmove(data_.get(), data_.get() + begin_, held);
  begin_ = 0;
  end_ = held;
  const FrameView front = view_frame({data_.get(), std::min(held, kFrameHeaderBytes)}, limit_);
  const std::size_t wanted = std::max({usual_, front.bytes, held + 1});
  if (capacity_ < wanted || (capacity_ > kKept && wanted <= kKept)) resize(wanted);
  return {data_.get() + end_, capacity_ - end_};
}

FrameView FrameBuffer::next() {
  const FrameView view = view_frame({data_.get() + begin_, end_ - begin_}, limit_);
  if (view.kind == FrameView::Kind::frame) begin_ += view.bytes;
  return view;
}

// By realloc: pages of a large frame cost memory only as its bytes come, and growing moves mappings
// rather than bytes.
void FrameBuffer::resize(std::size_t capacity) {
  auto* grown = static_cast<std::byte*>(std::realloc(data_.get(), capacity));
  if (grown == nullptr) throw std::bad_alloc();
  static_cast<void>(data_.release());
  data_.reset(grown);
  capacity_ = capacity;
}

}  // namespace dspm
