// Bytes, versions and headers for tests of a holder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "utils/base/object.h"

namespace dspm::dsm::test {

inline Bytes bytes_of(const std::string& text) {
  Bytes out;
  for (const char c : text) out.push_back(std::byte(c));
  return out;
}
inline Bytes whole(char c) { return Bytes(kPageSize, std::byte(c)); }
inline PageRef filled(char c) {
  OwnPage page = new_zero_page();
  page->data.fill(std::byte(c));
  return page;
}
inline Lsn at(std::uint64_t sequence, std::uint32_t epoch = 1) {
  return Lsn(Epoch(epoch), sequence);
}
inline Header header_of(std::uint64_t version, std::uint64_t size, std::vector<Cut> cuts = {}) {
  Header header;
  header.version = at(version);
  header.size = size;
  if (!cuts.empty()) header.generation = cuts.back().generation;
  header.cuts = std::move(cuts);
  return header;
}

}  // namespace dspm::dsm::test
