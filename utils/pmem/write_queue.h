// Writes of one file that wait in DRAM, as pieces that do not overlap: a later write of the same
// bytes replaces what waits of an earlier one. Not for several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "utils/base/bytes.h"

namespace dspm {

struct WritePiece {
  std::uint64_t offset = 0;
  Bytes bytes;
  std::uint64_t end() const { return offset + bytes.size(); }
};
// Copies what `piece` has of the bytes from `offset` on into `out`.
void lay_over(const WritePiece& piece, std::uint64_t offset, std::span<std::byte> out);

class WriteQueue {
 public:
  bool empty() const { return pieces_.empty(); }
  std::uint64_t bytes() const { return bytes_; }  // that wait

  // Takes a copy.
  void put(std::uint64_t offset, ByteSpan bytes);
  // Takes out pieces that follow each other without a gap: at most `pieces`, and no further one
  // once there are `bytes`.
  std::vector<WritePiece> take(std::size_t pieces, std::uint64_t bytes);
  // Adds to `out` copies of what waits of [offset, offset + length).
  void collect(std::uint64_t offset, std::uint64_t length, std::vector<WritePiece>& out) const;

 private:
  using Pieces = std::map<std::uint64_t, Bytes>;  // by offset; the values are never empty
  // The first piece that ends beyond `offset`.
  Pieces::const_iterator first_beyond(std::uint64_t offset) const;
  void cut_out(std::uint64_t offset, std::uint64_t end);

  Pieces pieces_;
  std::uint64_t bytes_ = 0;
};

}  // namespace dspm
