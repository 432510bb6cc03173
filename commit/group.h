// One replica group as this node sees it: a replica, and a role of the present epoch. Messages are
// of that epoch [M2]; what does not belong to the role is dropped (its sender asks again).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "commit/backup.h"
#include "commit/primary.h"
#include "utils/base/doors.h"

namespace dspm::commit {

class Group final : public PublishedObjects {
 public:
  using Observer = Primary::Observer;
  struct Membership {  // of one epoch
    Epoch epoch;
    NodeId primary;
    std::vector<NodeId> members;         // in order, this node among them
    std::map<NodeId, Incarnation> live;  // where this node is the primary: [L5] (3)
  };

  // `kernel` outlives the group.
  Group(GroupId id, NodeId self, ReplicaState state, const KernelCopies& kernel, Observer observer);

  // A new epoch begins here. What was under way in the old one is forgotten, what the log holds is
  // not. peer_up() comes next for each node that is connected.
  void begin(const Membership& membership, Time now, GroupEffects& out);

  void commit(NodeId from, Commit message, GroupEffects& out);
  void take(NodeId from, const Collect& message, Time now, GroupEffects& out);
  void take(NodeId from, const Position& message, Time now, GroupEffects& out);
  void take(NodeId from, const Pull& message, Time now, GroupEffects& out);
  void take(NodeId from, const Pulled& message, Time now, GroupEffects& out);
  void take(NodeId from, const Append& message, Time now, GroupEffects& out);
  void take(NodeId from, const AppendAck& message, Time now, GroupEffects& out);
  void take(NodeId from, const Dropped& message, Time now, GroupEffects& out);
  void peer_up(NodeId node, Incarnation incarnation, GroupEffects& out);
  void settled(const CommitId& id, GroupEffects& out);
  void unsettled(const CommitId& id, GroupEffects& out);

  // The own log is durable, or needs nothing, up to `lsn`.
  void durable(Lsn lsn, Time now, GroupEffects& out);
  void trimmed(Lsn lsn, GroupEffects& out);
  void tick(Time now, GroupEffects& out);
  Time next_deadline() const;

  // Door 1. [F2] This node may answer for the object's pages from its own frames.
  bool may_read(Ino ino) const;
  // The primary of this epoch, and serving.
  bool leads() const { return std::holds_alternative<Primary>(role_); }
  bool open() const;

  // ---- door 4
  PublishedPage page(Ino ino, PageNo page) const override {
    return replica_.frames().page(ino, page);
  }
  Header header(Ino ino) const override { return replica_.frames().header(ino); }
  Times times(Ino ino) const override { return replica_.frames().times(ino); }
  bool contains(const CommitId& id) const override { return bool(replica_.outcomes().find(id)); }

  GroupId id() const { return id_; }
  Epoch epoch() const { return epoch_; }
  const Replica& replica() const { return replica_; }
  // What keeps this group from serving, for people; empty: nothing.
  std::string trouble() const;
  void check_invariants() const;

 private:
  GroupId id_;
  NodeId self_;
  Epoch epoch_;
  Replica replica_;
  const KernelCopies& kernel_;
  Observer observer_;
  std::variant<std::monostate, Primary, Backup> role_;
};

}  // namespace dspm::commit
