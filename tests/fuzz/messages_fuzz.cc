// A message's bytes from anybody: decode() trusts nothing; what it takes, encode() gives back as
// bytes that decode to the same.
#include <cstdint>

#include "fs/messages.h"
#include "utils/base/check.h"

namespace {

dspm::Bytes flat(const dspm::fs::Message& message) {
  dspm::fs::Encoded encoded = dspm::fs::encode(message);
  dspm::Bytes bytes = std::move(encoded.head);
  for (const dspm::PageRef& page : encoded.pages) {
    bytes.insert(bytes.end(), page->data.begin(), page->data.end());
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = dspm::fs::decode(std::as_bytes(std::span(data, size)));
  if (!message) return 0;
  const dspm::Bytes once = flat(message.value());
  const auto again = dspm::fs::decode(once);
  DSPM_CHECK(again, dspm::fs::kind_of(message.value()));
  DSPM_CHECK(flat(again.value()) == once, dspm::fs::kind_of(message.value()));
  return 0;
}
