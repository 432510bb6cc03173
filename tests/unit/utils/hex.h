// Golden bytes as people write them.
#pragma once

#include <string>
#include <string_view>

#include "utils/base/bytes.h"

namespace dspm::test {

inline std::string hex(ByteSpan bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const std::byte b : bytes) {
    out += kDigits[std::to_integer<unsigned>(b) >> 4];
    out += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

}  // namespace dspm::test
