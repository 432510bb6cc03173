// The published state of a group's objects: page frames, headers, times. Here on the heap; the pool
// takes its place behind the same calls. A frame that somebody holds (a twin, a send, an answer) is
// never written: folding into it takes a fresh one [P5].
#pragma once

#include <map>

#include "utils/base/doors.h"

namespace dspm::commit {

// What folding one record did.
struct Folded {
  std::vector<ReplacedPage> pages;
  std::optional<std::uint64_t> cut_from;
  bool header_changed = false;
};

class Frames {
 public:
  PublishedPage page(Ino ino, PageNo page) const;
  Header header(Ino ino) const;
  Times times(Ino ino) const;

  // [C3] Makes the change visible at `version`: extents and growth, then the new size [D2].
  Folded fold(const Change& change, Version version);

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
  void resize(Object& object, std::uint64_t size, Version version, Folded& out);
  void touch(Object& object, const Change& change);

  std::map<Ino, Object> objects_;
};

}  // namespace dspm::commit
