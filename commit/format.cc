#include "commit/format.h"

#include <algorithm>

namespace dspm::commit::format {

std::uint64_t frames_in(std::uint64_t size) {
  std::uint64_t frames =
      size < kHeaders ? 0 : (size - kHeaders) / (kPageSize + sizeof(FrameHeader));
  while (frames > 0 && frame_offset(frames, frames) > size) --frames;
  return frames;
}

Parts parts_of(std::uint64_t size) {
  constexpr std::uint64_t kLeastLog = std::uint64_t{64} << 20;
  const std::uint64_t blocks = size / kBlock;
  const std::uint64_t log = std::min(std::max(blocks / 4, kLeastLog / kBlock), blocks);
  return {pool_size(frames_in((blocks - log) * kBlock)), log * kBlock};
}

}  // namespace dspm::commit::format
