// Every structure on a pool's media, byte for byte (docs/format.md). Fixed width, little endian.
// Pool region: two superblocks, frame headers, frames. Log region: two anchors, the circular log.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "utils/base/ids.h"
#include "utils/base/limits.h"

namespace dspm::commit::format {

inline constexpr std::uint32_t kSuperblockMagic = 0x6D707364;  // "dspm"
inline constexpr std::uint32_t kAnchorMagic = 0x68636E61;      // "anch"
inline constexpr std::uint32_t kFragmentMagic = 0x67617266;    // "frag"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint64_t kBlock = 4096;          // a superblock, an anchor: each in its own
inline constexpr std::uint64_t kHeaders = 2 * kBlock;  // pool offset of the first frame header
inline constexpr std::uint64_t kRing = 2 * kBlock;     // log offset of the circular log
inline constexpr std::uint64_t kAlign = 64;            // of fragments
inline constexpr std::size_t kUnit = 512;              // bytes of a frame under one CRC
inline constexpr std::size_t kUnits = kPageSize / kUnit;
inline constexpr std::uint32_t kFragmentPayload = 1u << 20;  // at most [P4]

// Pool offsets 0 and kBlock; written once, last of all.
struct Superblock {
  std::uint32_t magic;
  std::uint32_t crc;  // of the whole structure with crc = 0
  std::uint32_t version;
  std::uint32_t node;
  std::uint64_t pool;    // random, from creation [S2]
  std::uint64_t frames;  // how many
  std::uint64_t ring;    // bytes of the circular log
  std::uint32_t fragment_payload;
  std::uint32_t reserved;
  std::array<char, 64> cluster;  // filled up with zeros
};
static_assert(sizeof(Superblock) == 112);

// Log offsets 0 and kBlock: the one of checkpoint `checkpoint` at kBlock * (checkpoint % 2).
struct Anchor {
  std::uint32_t magic;
  std::uint32_t crc;  // of the whole structure with crc = 0
  std::uint32_t pool_tag;
  std::uint32_t reserved;
  std::uint64_t checkpoint;
  std::uint64_t head;  // position of a fragment; nothing before it is needed
};
static_assert(sizeof(Anchor) == 32);

enum class FragmentKind : std::uint8_t { record = 1, checkpoint = 2, mark = 3 };

// [P6] Followed by its payload, filled up to kAlign with zeros.
struct Fragment {
  std::uint32_t magic;
  std::uint32_t crc;           // of the header with crc = 0, then the payload
  std::uint64_t position;      // bytes written since creation; its place is position % ring
  std::uint64_t lsn;           // of a record; else 0
  std::uint64_t durable;       // the log was durable below this position when this was written
  std::uint64_t decided;       // the group's highest LSN applied here; else 0 [E6]
  std::uint32_t length;        // of the payload
  std::uint32_t previous_crc;  // of the fragment before
  std::uint32_t group;
  std::uint16_t index, count;  // fragment `index` of `count`
  std::uint8_t kind;
  std::array<std::uint8_t, 3> reserved;
  std::uint32_t pool_tag;
};
static_assert(sizeof(Fragment) == 64);

// `alive`: this bit and the frame's own stamp.
inline constexpr std::uint64_t kAlive = std::uint64_t{1} << 63;

// Line 0, the identity, is written when the frame is given to a page and not again; line 1 whenever
// the page changes. A frame exists at a checkpoint of stamp s if it was given away at or before s
// and not let go at or before s.
struct FrameHeader {
  std::uint64_t ino;
  std::uint64_t page;   // kObjectPage: the object's own frame
  std::uint64_t stamp;  // when it was given to this page, in the pool's own count; 0 = never
  std::uint32_t group;
  std::uint32_t identity_crc;  // of the 28 bytes before, begun with the pool's tag
  std::array<std::uint8_t, 32> reserved0;
  // ---- line 1
  std::uint64_t version;                       // LSN of the record that wrote the page last
  std::array<std::uint32_t, kUnits> unit_crc;  // of each kUnit bytes
  std::uint32_t soft_crc;                      // of version and unit_crc
  std::uint32_t reserved1;
  std::uint64_t until;  // kAlive | stamp, or the stamp when the page let go of it
  std::uint64_t reserved2;
};
static_assert(sizeof(FrameHeader) == 128 && offsetof(FrameHeader, version) == 64);

// An object's own frame has this page number. Its first unit is the LSN of the object's last
// clearing (8 bytes) [F1]; from its second unit on its header and times as in a record.
inline constexpr PageNo kObjectPage{std::uint64_t{1} << 52};

// Pool offset of frame `frame`'s page; `frames` = how many there are.
inline constexpr std::uint64_t frame_offset(std::uint64_t frames, std::uint64_t frame) {
  const std::uint64_t headers = frames * sizeof(FrameHeader);
  return kHeaders + (headers + kPageSize - 1) / kPageSize * kPageSize + frame * kPageSize;
}
inline constexpr std::uint64_t header_offset(std::uint64_t frame) {
  return kHeaders + frame * sizeof(FrameHeader);
}
// How many frames a pool region of `size` bytes has; the least size that has so many.
std::uint64_t frames_in(std::uint64_t size);
inline constexpr std::uint64_t pool_size(std::uint64_t frames) {
  return frame_offset(frames, frames);
}

// How the bytes given for a pool are parted.
struct Parts {
  std::uint64_t pool = 0, log = 0;  // sizes of the two regions, multiples of kBlock
};
// [P4] A quarter is log, at least 64 MiB; the pool has no more than its frames need.
Parts parts_of(std::uint64_t size);

}  // namespace dspm::commit::format
