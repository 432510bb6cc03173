// Where the pages of published objects lie: in a pool, or on the heap for who needs no durability.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "utils/base/page.h"

namespace dspm::commit {

using FrameNo = std::uint64_t;

// Bytes that go to `offset` of a page.
struct Piece {
  std::size_t offset = 0;
  ByteSpan bytes;
};

// The frames of one group. A frame that somebody holds (a twin, a send, an answer) is never
// written [P5].
class FrameStore {
 public:
  struct Existing {
    Ino ino;
    PageNo page;
    Version version;
    FrameNo frame = 0;
  };
  virtual ~FrameStore() = default;

  // A frame for a page that has none: zeros but for `pieces`. There is room: it was promised.
  virtual FrameNo create(Ino ino, PageNo page, Version version, std::span<const Piece> pieces) = 0;
  // Changes a page; returns where it lies now: elsewhere if it was pinned.
  virtual FrameNo edit(FrameNo frame, Version version, std::span<const Piece> pieces) = 0;
  // The page is gone.
  virtual void let_go(FrameNo frame) = 0;
  // Pins it as long as the result is held.
  virtual PageRef page(FrameNo frame) = 0;
  // The same, torn or not: for what the log says again as a whole.
  virtual PageRef raw(FrameNo frame) = 0;
  // Everything up to `lsn` is folded.
  virtual void folded(Lsn lsn) = 0;
  // What was there at the start.
  virtual std::vector<Existing> existing() = 0;
};

std::unique_ptr<FrameStore> make_heap_frames();

}  // namespace dspm::commit
