// What durability says on the wire (3-protocol §3, §7). Every message names group and epoch [M2].
#pragma once

#include <cstdint>
#include <vector>

#include "utils/base/object.h"
#include "utils/base/result.h"

namespace dspm::commit {

struct Commit {
  GroupId group;
  Epoch epoch;
  CommitId id;
  std::uint32_t attempt = 1;     // rises with each refusal
  std::uint64_t done_below = 0;  // [C7] all ids of this committer below it are Done in this group
  Change change;
};

// What a decided commit did; Decided and Done carry the same.
struct Settlement {
  Version version;
  std::vector<ReplacedPage> pages;
  Header header;  // of the object as of that record
};

// [C3] Sent whenever Done cannot follow at once.
struct Decided {
  GroupId group;
  Epoch epoch;
  Ino ino;
  CommitId id;
  Settlement settlement;
};

// Nobody can see anything older any more.
struct Done {
  GroupId group;
  Epoch epoch;
  Ino ino;
  CommitId id;
  Settlement settlement;
};

// Nothing of it took effect; `header` is what the next attempt must rest on.
struct Refused {
  GroupId group;
  Epoch epoch;
  Ino ino;
  CommitId id;
  std::uint32_t attempt = 0;
  Status reason = Status::ok;  // Status::gone: the generation or size moved on [Z3]; no_space
  Header header;
};

}  // namespace dspm::commit
