#include "commit/fragment.h"

#include "utils/base/crc32c.h"
#include "utils/base/planted.h"

namespace dspm::commit {
namespace {

template <class T>
ByteSpan bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <class T>
std::uint32_t crc_of(T value) {
  value.crc = 0;
  return crc32c(bytes_of(value));
}
std::uint32_t crc_of(format::Fragment header, ByteSpan payload) {
  header.crc = 0;
  return crc32c(payload, crc32c(bytes_of(header)));
}

}  // namespace

std::uint32_t pool_tag(std::uint64_t pool) { return crc32c(bytes_of(pool)); }

std::uint32_t seal(format::Fragment& header, ByteSpan payload) {
  header.magic = format::kFragmentMagic;
  header.crc = crc_of(header, payload);
  return header.crc;
}
void seal(format::Anchor& anchor) {
  anchor.magic = format::kAnchorMagic;
  anchor.crc = crc_of(anchor);
}
void seal(format::Superblock& superblock) {
  superblock.magic = format::kSuperblockMagic;
  superblock.crc = crc_of(superblock);
}

std::uint32_t identity_crc(const format::FrameHeader& header, std::uint32_t pool_tag) {
  return crc32c(bytes_of(header).first(offsetof(format::FrameHeader, identity_crc)), pool_tag);
}
std::uint32_t soft_crc(const format::FrameHeader& header) {
  constexpr std::size_t kFirst = offsetof(format::FrameHeader, version);
  constexpr std::size_t kEnd = offsetof(format::FrameHeader, soft_crc);
  return crc32c(bytes_of(header).subspan(kFirst, kEnd - kFirst));
}
std::uint32_t unit_crc(ByteSpan page, std::size_t unit) {
  return crc32c(page.subspan(unit * format::kUnit, format::kUnit));
}

bool sound(const format::Anchor& anchor) {
  return anchor.magic == format::kAnchorMagic && anchor.crc == crc_of(anchor);
}
bool sound(const format::Superblock& superblock) {
  return superblock.magic == format::kSuperblockMagic && superblock.crc == crc_of(superblock);
}
bool plausible(const format::Fragment& header, std::uint64_t position, std::uint32_t pool_tag,
               std::uint64_t room, std::uint32_t fragment) {
  return header.magic == format::kFragmentMagic && header.pool_tag == pool_tag &&
         (header.position == position || planted(Planted::position_not_checked)) &&
         header.length <= fragment && fragment_length(header.length) <= room &&
         header.index < header.count && header.kind >= std::uint8_t(format::FragmentKind::record) &&
         header.kind <= std::uint8_t(format::FragmentKind::mark);
}
bool sound(const format::Fragment& header, ByteSpan payload) {
  return planted(Planted::crc_not_checked) || header.crc == crc_of(header, payload);
}

}  // namespace dspm::commit
