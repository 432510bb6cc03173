// The FSYNC side of a commit: sends a frozen change to its group's primary, sends it again after a
// broken connection or a take-over, hands back what became of it. Knows nothing of pools or pages.
#pragma once

#include <map>
#include <variant>
#include <vector>

#include "commit/messages.h"
#include "utils/base/group_table.h"

namespace dspm::commit {

struct CommitterSend {
  NodeId to;
  Commit message;
};
// The commit took effect. `done`: everywhere visible; else only decided.
struct Settled {
  Ino ino;
  CommitId id;
  Settlement settlement;
  bool done = false;
};
// Nothing took effect; submit() again with a change that rests on `header` [Z3], or give up.
struct Returned {
  Ino ino;
  CommitId id;
  Status reason = Status::ok;
  Header header;
};
// It was decided, and no member knows it any more: its group's pools are gone.
struct Lost {
  Ino ino;
  CommitId id;
};
using CommitterEffect = std::variant<CommitterSend, Settled, Returned, Lost>;
using CommitterEffects = std::vector<CommitterEffect>;

class Committer {
 public:
  // `groups` must outlive the committer.
  Committer(NodeId self, const GroupTable& groups) : self_(self), groups_(groups) {}

  // `id` is taken and not submitted yet: it counts as not Done from now on [C7].
  void reserve(GroupId home, const CommitId& id);
  // First attempt of `id`, or the next one after Returned. `change` must have been frozen for it.
  void submit(GroupId home, const CommitId& id, Change change, CommitterEffects& out);
  // It will not be submitted (again).
  void forget(const CommitId& id);

  void decided(const Decided& message, CommitterEffects& out);
  void done(const Done& message, CommitterEffects& out);
  void refused(const Refused& message, CommitterEffects& out);

  // [M1] `peer` is reachable (again): what is unanswered there is sent again.
  void peer_up(NodeId peer, CommitterEffects& out);
  // [M2] A new epoch of `group`: its primary is asked again, and looks for the id first.
  void group_learnt(GroupId group, CommitterEffects& out);

  std::size_t in_flight() const { return flights_.size(); }
  bool undecided() const;

 private:
  struct Flight {
    GroupId home;
    Ino ino;
    std::uint32_t attempt = 0;
    bool decided = false;
    bool returned = false;  // nothing is asked of its primary: reserved, or refused
    Change change;          // without bytes once decided
  };
  void send(const CommitId& id, const Flight& flight, CommitterEffects& out) const;
  std::uint64_t done_below(GroupId group, const CommitId& id) const;
  Flight* current(GroupId group, Epoch epoch, const CommitId& id);

  NodeId self_;
  const GroupTable& groups_;
  std::map<CommitId, Flight> flights_;
};

}  // namespace dspm::commit
