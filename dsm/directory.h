// The home side of coherence: which node's kernel has which version of a page, and which
// invalidations are under way (Hotpot's owner node; Li & Hudak's directory). One per primary. Knows
// nothing of how a page became what it is: commit tells it through door 3.
#pragma once

#include <map>
#include <set>
#include <variant>
#include <vector>

#include "dsm/messages.h"
#include "utils/base/doors.h"
#include "utils/base/group_table.h"
#include "utils/base/limits.h"

namespace dspm::dsm {

struct DirectorySend {
  NodeId to;
  std::variant<Data, Attr, Inval> message;
};
using DirectorySends = std::vector<DirectorySend>;

// [F1] [F3] What the holder of `objects` answers to a Fetch.
Data published_data(const PublishedObjects& objects, const Fetch& message);

class Directory {
 public:
  // `objects` must outlive the directory (door 4). `pages_named`: most pages that one Inval names.
  Directory(GroupId group, Epoch epoch, const PublishedObjects& objects,
            std::uint64_t pages_named = kMaxPagesNamed)
      : group_(group), epoch_(epoch), objects_(objects), pages_named_(pages_named) {}

  // [F1] answers at once with the last published versions and remembers the asker.
  void fetch(NodeId from, const Fetch& message, DirectorySends& out);
  void fetch_attr(NodeId from, const FetchAttr& message, DirectorySends& out);
  // [C5] [A2] `node`'s kernel has this page, although no Fetch of it came here.
  void reported(NodeId node, const KernelCopy& copy);
  // [C3] Tells every sharer of something older. True: nobody had to be told, the commit is settled.
  bool published(const Published& record, DirectorySends& out);
  // [F10] Returns the commits that are settled by it, in order of their records.
  std::vector<CommitId> invalidated(NodeId from, const Invalidated& message);
  // A connection to this life of `node`: its older lives share nothing any more; what any of them
  // still owes is asked again [M1].
  void peer_up(NodeId node, Incarnation incarnation, DirectorySends& out);

  std::size_t waiting() const { return waits_.size(); }
  // Pages of which somebody has a copy or owes an answer; what nobody has is not remembered.
  std::size_t pages_known() const;
  void check_invariants() const;

 private:
  struct Owed {
    NodeId node;
    Version version;
    CommitId commit;
  };
  // A page, or the header, of an object.
  struct Entry {
    std::map<NodeId, Version> sharers;
    std::vector<Owed> owed;
    bool owes(NodeId node) const;
    bool idle() const { return sharers.empty() && owed.empty(); }
  };
  struct Object {
    std::map<PageNo, Entry> pages;
    Entry header;
  };
  struct Wait {
    Version version;
    std::size_t left = 0;
  };
  struct Announcement {  // what one record makes each node drop
    std::map<NodeId, PageRuns> pages;
    std::set<NodeId> header;
  };

  void announce_pages(Object& object, const Published& record, Announcement& out);
  void announce_header(Object& object, const Published& record, Announcement& out);
  void owe(Entry& entry, NodeId node, const Published& record);
  void forget_idle(std::map<Ino, Object>::iterator it);
  void settle(Entry& entry, NodeId node, Version upto, std::vector<CommitId>& done);
  void send_inval(NodeId node, Inval inval, DirectorySends& out) const;
  bool exempt(const Entry& entry, NodeId sharer, Version has, Version replaced,
              const CommitId& id) const;

  GroupId group_;
  Epoch epoch_;
  const PublishedObjects& objects_;
  std::uint64_t pages_named_;
  std::map<Ino, Object> table_;
  std::map<CommitId, Wait> waits_;
  std::map<NodeId, Incarnation> lives_;
};

}  // namespace dspm::dsm
