// What the home of an object keeps about it beside its pages (3-protocol Z1), and one commit's
// change of it. Shared vocabulary of dsm and commit; no behaviour.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "utils/base/bytes.h"
#include "utils/base/ids.h"
#include "utils/base/page.h"
#include "utils/base/time.h"

namespace dspm {

// The object was cut to `size` when it got `generation`.
struct Cut {
  Generation generation;
  std::uint64_t size = 0;
  bool operator==(const Cut&) const = default;
};

// [Z1] Moves its version only with size, generation or cuts. Absent object: all zero.
struct Header {
  Version version;
  std::uint64_t size = 0;
  Generation generation;
  std::vector<Cut> cuts;  // ascending generations; only cuts smaller than all later ones
  bool operator==(const Header&) const = default;
};

// [Z1] Times and counts ride in the same records but have no version anybody is told of.
struct Times {
  std::optional<WallTime> mtime;  // none: never written, the name's record has the time
  std::optional<WallTime> ctime;
  std::optional<WallTime> atime;  // only where set explicitly; else atime = mtime
  std::uint64_t blocks = 0;       // pages with a frame
  std::uint64_t data_version = 0;
};

// Bytes [offset, offset + bytes.size()) of an object.
struct Extent {
  std::uint64_t offset = 0;
  Bytes bytes;
  std::uint64_t end() const { return offset + bytes.size(); }
};

// utimens: replaces the times; fields not set stay.
struct ExplicitTimes {
  std::optional<WallTime> atime;
  std::optional<WallTime> mtime;
  WallTime ctime;
};

// [C1] What one commit does to one object, frozen under `generation`. Order of effects: extents and
// grow_to, then set_size [D2].
struct Change {
  Ino ino;
  Generation generation;
  std::vector<Extent> extents;            // ascending, not overlapping
  std::uint64_t grow_to = 0;              // [Z4] from write() beyond the known size; 0 = none
  std::optional<std::uint64_t> set_size;  // SETATTR(size)
  std::optional<WallTime> touch;          // [Z5] mtime of the newest staged write
  std::optional<ExplicitTimes> times;     // SETATTR(times); alone in its commit
  // [F7] [D5] pages of the extents of which the committer's kernel has a copy that no READ gave.
  PageRuns unread_copies;
};

// A page written by a record: which version it replaced, and whether every byte was covered.
struct ReplacedPage {
  PageNo page;
  Version replaced;
  bool covered = false;
};

}  // namespace dspm
