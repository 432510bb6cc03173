// What this node changed in one object and has not committed: bytes by page with their source, the
// end that write() reached, the newest stamp. A generation of staging is one Stage; freezing moves
// it out whole [C1]. Changes only by exchanges with the kernel, cuts and freezes.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "dsm/merge.h"
#include "utils/base/object.h"

namespace dspm::dsm {

struct StagedPage {
  ByteMask mask;     // bytes that were changed
  ByteMask written;  // of these: by write() (the others came from a mapping) [F5]
  PageBytes bytes;   // defined where mask is set
};

class Stage {
 public:
  // write(): bytes [offset, offset + bytes.size()), newest wins [F5].
  void write(std::uint64_t offset, ByteSpan bytes, WallTime stamp, Time now);
  // Stores of a mapping: those bytes of `bytes` (which begin at `at` in the page) in `mask`.
  void store(PageNo page, const ByteMask& mask, std::size_t at, ByteSpan bytes, WallTime stamp);

  // Lays the staged bytes of `page` over `into`; true if there were any.
  bool overlay(PageNo page, PageBytes& into) const;
  bool touches(PageNo page) const { return pages_.contains(page); }
  // [Z6] bytes at or beyond `from` go; `mapped_only`: those of write() stay.
  void cut(std::uint64_t from, bool mapped_only = false);
  // [Contract, 5 s rule] moves out the bytes of write() alone, from the lowest page on, about
  // `most` of them; the growth of what stays behind stays with it.
  Stage take_written(std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
  // Puts a frozen stage back under this one: where both have a byte, this one's is newer.
  void put_back(Stage&& older);
  // SETATTR(times) takes the times of everything staged before it (10-names).
  void forget_stamp() { touch_.reset(); }

  // The staged bytes as ascending extents; adjoining pages join.
  std::vector<Extent> extents() const;
  std::vector<PageNo> page_list() const;
  bool empty() const { return pages_.empty() && write_end_ == 0; }
  std::uint64_t write_end() const { return write_end_; }  // 0 = write() grew nothing
  std::optional<WallTime> touch() const { return touch_; }
  std::optional<Time> oldest_write() const { return oldest_write_; }
  std::size_t page_count() const { return pages_.size(); }
  std::uint64_t written_bytes() const { return written_bytes_; }  // upper bound, write() bytes
  std::uint64_t byte_count() const;

 private:
  std::map<PageNo, StagedPage> pages_;
  std::uint64_t write_end_ = 0;
  std::uint64_t written_bytes_ = 0;
  std::optional<WallTime> touch_;
  std::optional<Time> oldest_write_;
};

}  // namespace dspm::dsm
