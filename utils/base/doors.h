// The doors between coherence (dsm) and durability (commit), which never include each other;
// fs/node connects them (9-map).
#pragma once

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
