// What a holder asks for, what it must hear of its commits, its limits and counters.
#pragma once

#include <variant>
#include <vector>

#include "dsm/events.h"
#include "dsm/messages.h"
#include "dsm/stage.h"

namespace dspm::dsm {

struct HolderSend {
  NodeId to;
  std::variant<Fetch, FetchAttr, Invalidated> message;
};
// A frozen change for the committer: a first attempt or the next one after a refusal.
struct SubmitCommit {
  GroupId home;
  CommitId id;
  Change change;
};
// It is frozen and will be submitted or dropped later: not Done until then [C7].
struct ReserveCommit {
  GroupId home;
  CommitId id;
};
// It will not be submitted (again): it became empty, or its bytes went back.
struct DropCommit {
  CommitId id;
};
// [L5] This kernel has nothing of the group from before its epoch.
struct DroppedGroup {
  GroupId group;
  NodeId primary;
};
using HolderEffect = std::variant<HolderSend, ReserveCommit, SubmitCommit, DropCommit, DroppedGroup,
                                  KernelAnswer, Job>;
using HolderEffects = std::vector<HolderEffect>;

// A decided commit, as the holder must hear of it [C4].
struct CommitSettled {
  Ino ino;
  CommitId id;
  Version version;
  std::vector<ReplacedPage> pages;
  Header header;
  bool done = false;
};

// Memory in pages: twins, staged pages (2-kernel rule 2; 3-protocol F4).
struct HolderLimits {
  std::uint64_t early_bytes = kEarlyCommitBytes;  // of write(): so many commit by themselves [P4]
  std::uint64_t twins = kMaxTwinBytes / kPageSize;
  std::uint64_t staged = kMaxStagedBytes / sizeof(StagedPage);
};

struct HolderCounters {
  std::uint64_t fetches = 0, refetches = 0, commits = 0, refused = 0, invalidations = 0;
  std::uint64_t rewrites = 0, kept_pages = 0, timeouts = 0, poisoned = 0;
};

}  // namespace dspm::dsm
