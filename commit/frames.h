// The published state of a group's objects: page frames, headers, times. Here on the heap; the pool
// takes its place behind the same calls. A frame that somebody holds (a twin, a send, an answer) is
// never written: folding into it takes a fresh one [P5].
#pragma once

#include <map>

#include "commit/record.h"
#include "utils/base/doors.h"

namespace dspm::commit {

// What folding one record did.
struct Folded {
  std::vector<ReplacedPage> pages;
};

class Frames {
 public:
  PublishedPage page(Ino ino, PageNo page) const;
  Header header(Ino ino) const;
  Times times(Ino ino) const;

  // [C3] Makes the record visible at its LSN: extents, then the cut [D2]. Again in order from any
  // earlier record on: the same [P9].
  Folded fold(const Record& record);

 private:
  struct Frame {
    Version version;
    OwnPage bytes;
  };
  struct Object {
    Header header;
    Times times;
    Version cleared;  // of pages without a frame [F1]
    std::map<PageNo, Frame> frames;
  };
  void write_extent(Object& object, const Extent& extent, Version version, Folded& out);
  void cut(Object& object, std::uint64_t size, Version version, Folded& out);

  std::map<Ino, Object> objects_;
};

}  // namespace dspm::commit
