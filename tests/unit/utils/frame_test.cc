#include "utils/net/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/unit/utils/hex.h"
#include "utils/base/crc32c.h"

namespace dspm {
namespace {

using Kind = FrameView::Kind;

Bytes bytes_of(std::string_view text) {
  const auto b = std::as_bytes(std::span(text.data(), text.size()));
  return {b.begin(), b.end()};
}

void feed(FrameBuffer& buffer, ByteSpan bytes) {
  while (!bytes.empty()) {
    const auto room = buffer.room();
    const std::size_t n = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), n);
    buffer.received(n);
    bytes = bytes.subspan(n);
    if (bytes.empty()) return;
    ASSERT_EQ(buffer.next().kind, Kind::incomplete);
  }
}

// docs/wire.md shows these bytes: whoever changes them changes the format.
TEST(Frame, GoldenBytes) {
  EXPECT_EQ(test::hex(make_frame(FrameType::heartbeat, {})), "4453504d0103000000000000cf61831a");
  EXPECT_EQ(test::hex(make_frame(FrameType::message, bytes_of("page"))),
            "4453504d010400000400000051f4e01a"
            "70616765");
}

TEST(Frame, OfPartsIsTheOneOfTheWhole) {
  const Bytes a = bytes_of("he"), b, c = bytes_of("llo");
  const std::vector<ByteSpan> parts{a, b, c};
  const FrameHeader header = make_frame_header(FrameType::message, parts);
  const Bytes whole = make_frame(FrameType::message, bytes_of("hello"));
  EXPECT_TRUE(std::equal(whole.begin(), whole.begin() + kFrameHeaderBytes,
                         std::as_bytes(std::span(&header, 1)).begin()));
  const FrameView view = view_frame(whole, kMaxFrame);
  EXPECT_EQ(view.kind, Kind::frame);
  EXPECT_EQ(view.type, FrameType::message);
  EXPECT_EQ(Bytes(view.body.begin(), view.body.end()), bytes_of("hello"));
}

TEST(Frame, EveryPrefixIsIncomplete) {
  const Bytes whole = make_frame(FrameType::message, bytes_of("some body"));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const FrameView view = view_frame(ByteSpan(whole).first(n), kMaxFrame);
    ASSERT_EQ(view.kind, Kind::incomplete) << n;
    ASSERT_EQ(view.bytes, n < kFrameHeaderBytes ? kFrameHeaderBytes : whole.size());
  }
}

TEST(Frame, EveryFlippedBitIsSeen) {
  const Bytes whole = make_frame(FrameType::message, bytes_of("some body"));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes bent = whole;
    bent[bit / 8] ^= std::byte(1u << bit % 8);
    // A longer length only waits for bytes that never come, or is beyond the limit.
    ASSERT_NE(view_frame(bent, kMaxFrame).kind, Kind::frame) << bit;
  }
}

TEST(Frame, SaysWhatIsWrong) {
  const auto bent = [](std::size_t at, std::uint8_t value) {
    Bytes whole = make_frame(FrameType::message, bytes_of("body"));
    whole[at] = std::byte(value);
    const FrameView view = view_frame(whole, 4096);
    EXPECT_EQ(view.kind, Kind::bad);
    return view.why;
  };
  EXPECT_EQ(bent(0, 'X'), WireEnd::bad_magic);
  EXPECT_EQ(bent(4, 2), WireEnd::bad_version);
  EXPECT_EQ(bent(5, 0), WireEnd::bad_type);
  EXPECT_EQ(bent(5, 5), WireEnd::bad_type);
  EXPECT_EQ(bent(6, 1), WireEnd::bad_flags);
  EXPECT_EQ(bent(10, 1), WireEnd::oversize);
  EXPECT_EQ(bent(12, 0), WireEnd::bad_crc);
  EXPECT_EQ(bent(16, 'B'), WireEnd::bad_crc);
}

TEST(Frame, TheLimitIsOfTheWholeFrame) {
  const Bytes fits = make_frame(FrameType::message, Bytes(100 - kFrameHeaderBytes));
  EXPECT_EQ(view_frame(fits, 100).kind, Kind::frame);
  EXPECT_EQ(view_frame(fits, 99).why, WireEnd::oversize);
}

TEST(FrameBuffer, GivesWhatCameInAnyPieces) {
  Bytes stream;
  for (int i = 0; i < 50; ++i) {
    const Bytes frame = make_frame(FrameType::message, Bytes(std::size_t(i * 13), std::byte(i)));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  for (const std::size_t piece : {1u, 7u, 100u, 4096u, 100000u}) {
    FrameBuffer buffer(4096, 256);
    std::size_t frames = 0;
    for (std::size_t at = 0; at < stream.size();) {
      const auto room = buffer.room();
      const std::size_t n = std::min({piece, room.size(), stream.size() - at});
      std::memcpy(room.data(), stream.data() + at, n);
      buffer.received(n);
      at += n;
      for (FrameView view = buffer.next(); view.kind != Kind::incomplete; view = buffer.next()) {
        ASSERT_EQ(view.kind, Kind::frame);
        ASSERT_EQ(view.body.size(), frames * 13);
        ++frames;
      }
    }
    EXPECT_EQ(frames, 50u) << piece;
  }
}

TEST(FrameBuffer, GrowsToTheAnnouncedFrameAndFallsBack) {
  FrameBuffer buffer(kMaxFrame, 1000);
  EXPECT_EQ(buffer.room().size(), 1000u);
  const Bytes large = make_frame(FrameType::message, Bytes(std::size_t{8} << 20));
  feed(buffer, large);
  EXPECT_EQ(buffer.capacity(), large.size());
  EXPECT_EQ(buffer.next().kind, Kind::frame);
  EXPECT_EQ(buffer.room().size(), 1000u);
  const Bytes usual = make_frame(FrameType::message, Bytes(std::size_t{1} << 20));
  feed(buffer, usual);
  EXPECT_EQ(buffer.next().kind, Kind::frame);
  EXPECT_EQ(buffer.room().size(), usual.size()) << "kept: such frames are usual";
}

TEST(FrameBuffer, DoesNotGrowForAFrameBeyondTheLimit) {
  FrameBuffer buffer(kMaxStrangerFrame, kMaxStrangerFrame);
  const Bytes large = make_frame(FrameType::message, Bytes(kMaxStrangerFrame));
  const auto room = buffer.room();
  std::memcpy(room.data(), large.data(), 100);
  buffer.received(100);
  EXPECT_EQ(buffer.next().why, WireEnd::oversize);
  buffer.room();
  EXPECT_EQ(buffer.capacity(), kMaxStrangerFrame);
}

}  // namespace
}  // namespace dspm
