// CRC32C (Castagnoli, RFC 3720 appendix B.4), by the processor's instruction where it has one.
#pragma once

#include <cstdint>

#include "utils/base/bytes.h"

namespace dspm {

// CRC of `bytes`, continued from `seed` (the CRC of what came before; 0 at the start). Any thread.
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed = 0);

// The same by table: what processors without the instruction use; kept public for its test.
std::uint32_t crc32c_by_table(ByteSpan bytes, std::uint32_t seed = 0);

}  // namespace dspm
