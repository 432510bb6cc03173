// What durability says on the wire (3-protocol §3, §7). Every message names group and epoch [M2].
#pragma once

#include <cstdint>
#include <vector>

#include "commit/record.h"
#include "utils/base/doors.h"
#include "utils/base/object.h"
#include "utils/base/result.h"

namespace dspm::commit {

struct Commit {
  GroupId group;
  Epoch epoch;
  CommitId id;
  std::uint32_t attempt = 1;     // rises with each refusal
  std::uint64_t done_below = 0;  // [C7] all ids of this committer below it are Done in this group
  // The committer has heard Decided and let go of the bytes: only its outcome is asked for.
  bool was_decided = false;
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
  // gone: the generation or size moved on [Z3]; no_space; unknown: was_decided, and nobody knows it
  Status reason = Status::ok;
  Header header;
};

// ---- between the members of a group

// Primary → member, once a connection: what do you hold? Answered by Position.
struct Collect {
  GroupId group;
  Epoch epoch;
};
// `count` records of one epoch, from `first` on in the group's order.
struct RecordRun {
  Lsn first;
  std::uint64_t count = 0;
  bool operator==(const RecordRun&) const = default;
};
// Member → primary. All of it is durable there. [C5] [E7] It counts like an acknowledgement, so it
// names what that member's kernel has of the pages of its undecided records.
struct Position {
  GroupId group;
  Epoch epoch;
  Lsn applied;                  // everything up to it is decided and folded there
  std::vector<RecordRun> runs;  // the records behind it, ascending
  std::vector<KernelCopy> copies;
  MemberSpace space;
};
// Primary → member: send what you hold behind `after`. Answered by Pulled, in as many as suits.
struct Pull {
  GroupId group;
  Epoch epoch;
  Lsn after;
};
struct Pulled {
  GroupId group;
  Epoch epoch;
  std::vector<RecordRef> records;  // contiguous
  bool last = false;               // nothing follows
};
// Primary → member. Records in order, contiguous; without any it only tells what is decided [C3].
struct Append {
  GroupId group;
  Epoch epoch;
  Lsn previous;  // before the first of the records: who holds it is matched up to it [C2]
  Lsn decided;
  std::vector<RecordRef> records;
  bool wants_space = false;  // [P10] a commit waits until the members' logs have been trimmed
};
// [C2] [C5] Member → primary: matches the primary's order up to `matched`, all of it durable.
// `copies` are those of the records behind `after`; who has not heard of `after` asks for a
// Position.
struct AppendAck {
  GroupId group;
  Epoch epoch;
  Lsn after;
  Lsn matched;
  Lsn trimmed;  // what its log needs no more
  std::vector<KernelCopy> copies;
};
// [L5] New primary → everybody: let go of the group's pages; FSYNCs wait for the answer.
struct Drop {
  GroupId group;
  Epoch epoch;
};
struct Dropped {
  GroupId group;
  Epoch epoch;
};

}  // namespace dspm::commit
