// What coherence says on the wire (3-protocol §3): pages, headers, invalidations. Every message
// names group and epoch [M2]. All may be repeated [M1]; none relies on an order between kinds.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "utils/base/object.h"

namespace dspm::dsm {

// Asks the primary for pages; `asked` = commit of the asker that was frozen and undecided [F3].
struct Fetch {
  GroupId group;
  Epoch epoch;
  Ino ino;
  std::uint64_t request = 0;  // the asker's number; comes back in Data
  PageRun pages;
  CommitId asked;
};

struct DataPage {
  PageNo page;
  Version version;
  PageRef bytes;
};

// [F1] The last published versions. `contains`: the asked commit is among them.
struct Data {
  GroupId group;
  Epoch epoch;
  Ino ino;
  std::uint64_t request = 0;
  CommitId asked;
  bool contains = false;
  Generation generation;
  std::vector<DataPage> pages;
};

struct FetchAttr {
  GroupId group;
  Epoch epoch;
  Ino ino;
  std::uint64_t request = 0;
};

// The asker is remembered as a sharer of the header at its version.
struct Attr {
  GroupId group;
  Epoch epoch;
  Ino ino;
  std::uint64_t request = 0;
  Header header;
  Times times;
};

// [F8] `version` replaced these pages, and the header where one is given.
struct Inval {
  GroupId group;
  Epoch epoch;
  Ino ino;
  Version version;
  PageRuns pages;
  std::optional<Header> header;
};

// This kernel has nothing older than `version` of these pages (and of the header).
struct Invalidated {
  GroupId group;
  Epoch epoch;
  Ino ino;
  Version version;
  PageRuns pages;
  bool header = false;
};

}  // namespace dspm::dsm
