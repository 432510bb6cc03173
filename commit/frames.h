// The published state of a group's objects: page frames, headers, times. A frame that somebody
// holds (a twin, a send, an answer) is never written: folding into it takes a fresh one [P5].
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>

#include "commit/frame_store.h"
#include "commit/record.h"
#include "utils/base/doors.h"

namespace dspm::commit {

class Pool;

// What folding one record did.
struct Folded {
  std::vector<ReplacedPage> pages;
};
// How many frames a record touches, and how many of these pages have none yet; the object's own
// frame is counted.
struct FrameNeed {
  std::uint64_t pages = 0, fresh = 0;
};

class Frames {
 public:
  // On the heap: for machines that are tested without a pool.
  Frames();
  // `pool` outlives it. Of a pool just opened: what is on media; the recovered records must be
  // folded before anything is read.
  Frames(Pool& pool, GroupId group);

  // From a file's pool the first look at a page may read the disk. Damage: Pool::health().
  PublishedPage page(Ino ino, PageNo page) const;
  Header header(Ino ino) const;
  Times times(Ino ino) const;

  // [C3] Makes the record visible at its LSN: extents, then the cut [D2]. Again in order from any
  // earlier record on: the same [P9].
  Folded fold(const Record& record);
  FrameNeed need(Ino ino, std::span<const Extent> extents) const;

  // Every page and object, in order: for who compares replicas.
  struct PageState {
    PageNo page;
    Version version;
    FrameNo frame;
  };
  struct ObjectState {
    Ino ino;
    Header header;
    Version cleared;
    std::vector<PageState> pages;
  };
  std::vector<ObjectState> all() const;

 private:
  struct Frame {
    Version version;
    FrameNo frame = 0;
  };
  struct Object {
    Header header;
    Times times;
    Version cleared;  // of pages without a frame [F1]
    std::map<PageNo, Frame> frames;
    std::optional<FrameNo> own;  // where the above lies
    std::size_t own_length = 0;  // of its header and times
  };
  void write_page(Ino ino, Object& object, PageNo page, std::span<const Piece> pieces, bool covered,
                  Version version, Folded& out);
  void write_extents(Object& object, const Record& record, Folded& out);
  void cut(Object& object, const Record& record, Folded& out);
  void write_own(Object& object, const Record& record);
  void read_own(Object& object, FrameNo frame);

  std::unique_ptr<FrameStore> store_;
  std::map<Ino, Object> objects_;
};

}  // namespace dspm::commit
