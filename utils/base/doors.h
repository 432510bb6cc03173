// The doors between coherence (dsm) and durability (commit), which never include each other;
// fs/node connects them (9-map).
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "utils/base/object.h"

namespace dspm {

// Door 4 and the look that door 1 gives: what a primary has published. Loop thread.
class PublishedObjects {
 public:
  virtual ~PublishedObjects() = default;
  // A page without a frame is zeros at the version of the object's last clearing [F1].
  virtual PublishedPage page(Ino ino, PageNo page) const = 0;
  virtual Header header(Ino ino) const = 0;
  virtual Times times(Ino ino) const = 0;
  // [F3] the commit is published in this group.
  virtual bool contains(const CommitId& id) const = 0;
};

// A page of which a node's kernel has, or is about to be given, a copy.
struct KernelCopy {
  Ino ino;
  PageNo page;
  Version version;  // 0 = unknown, below every other
};

// Door 2: what does this node's kernel hold of the pages of a record? [C5]
class KernelCopies {
 public:
  virtual ~KernelCopies() = default;
  // Appends those among `pages` of `ino`; a page that is not named is surely not there.
  virtual void kernel_copies(Ino ino, const PageRun& pages, std::vector<KernelCopy>& out) const = 0;
};

// [P10] What one member's pool has promised a group; the group's primary admits within the least.
struct MemberSpace {
  std::uint64_t log_bytes = std::numeric_limits<std::uint64_t>::max();  // of untrimmed records
  std::uint64_t frames = std::numeric_limits<std::uint64_t>::max();
};

// Door 3: a record took effect; whoever has older copies must be told.
struct Published {
  Ino ino;
  CommitId id;
  Version version;
  std::vector<ReplacedPage> pages;
  PageRuns unread_copies;                 // of the committer [F7]
  std::optional<std::uint64_t> cut_from;  // all pages that reach beyond are cleared
  bool header_changed = false;
  bool waits_for_header = false;  // [C6] a SetSize that changed nothing
  Header header;
};

}  // namespace dspm
