// The checks of what lies in the log region: made when written, never trusted when read.
#pragma once

#include "commit/format.h"
#include "utils/base/bytes.h"

namespace dspm::commit {

// Of a fragment with its payload, in the log.
inline constexpr std::uint64_t fragment_length(std::uint64_t payload) {
  return sizeof(format::Fragment) +
         (payload + format::kAlign - 1) / format::kAlign * format::kAlign;
}
// How a pool's structures are told from those of one that lay there before.
std::uint32_t pool_tag(std::uint64_t pool);

// Each sets magic and CRC, and returns the CRC.
std::uint32_t seal(format::Fragment& header, ByteSpan payload);
void seal(format::Anchor& anchor);
void seal(format::Superblock& superblock);
std::uint32_t identity_crc(const format::FrameHeader& header, std::uint32_t pool_tag);
std::uint32_t soft_crc(const format::FrameHeader& header);
std::uint32_t unit_crc(ByteSpan page, std::size_t unit);

// Right in itself: magic, CRC.
bool sound(const format::Anchor& anchor);
bool sound(const format::Superblock& superblock);
// Right in itself and for its place; the payload is not looked at. `room`: bytes from its position
// to the end of the lap.
bool plausible(const format::Fragment& header, std::uint64_t position, std::uint32_t pool_tag,
               std::uint64_t room, std::uint32_t fragment);
bool sound(const format::Fragment& header, ByteSpan payload);

}  // namespace dspm::commit
