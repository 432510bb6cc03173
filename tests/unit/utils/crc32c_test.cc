#include "utils/base/crc32c.h"

#include <gtest/gtest.h>

#include <string_view>

namespace dspm {
namespace {

ByteSpan span_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// RFC 3720 appendix B.4.
TEST(Crc32c, IsTheOneOfTheStandard) {
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc32c(span_of("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0})), 0x8A9136AAu);
  EXPECT_EQ(crc32c(Bytes(32, std::byte{0xFF})), 0x62A8AB43u);
  Bytes up(32);
  for (std::size_t i = 0; i < up.size(); ++i) up[i] = std::byte(i);
  EXPECT_EQ(crc32c(up), 0x46DD794Eu);
}

TEST(Crc32c, TableAndInstructionAgreeAtEveryLengthAndOffset) {
  Bytes bytes(100);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * 37 + 11);
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t n = 0; from + n <= bytes.size(); ++n) {
      const ByteSpan part = ByteSpan(bytes).subspan(from, n);
      ASSERT_EQ(crc32c(part, 5), crc32c_by_table(part, 5)) << from << '+' << n;
    }
  }
}

TEST(Crc32c, GoesOnFromASeed) {
  const ByteSpan all = span_of("a page and what follows it");
  for (std::size_t n = 0; n <= all.size(); ++n) {
    EXPECT_EQ(crc32c(all.subspan(n), crc32c(all.first(n))), crc32c(all));
  }
}

}  // namespace
}  // namespace dspm
