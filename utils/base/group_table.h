// What a node knows of the replica groups: who orders, in which epoch. Written by fs/node when the
// cluster store's `pg/` changes, read by the machines. Loop thread.
#pragma once

#include <map>
#include <vector>

#include "utils/base/ids.h"

namespace dspm {

struct GroupView {
  Epoch epoch;
  NodeId primary;
  Incarnation incarnation;
  std::vector<NodeId> members;  // in order
};

class GroupTable {
 public:
  // Null where the group has not been heard of.
  const GroupView* find(GroupId group) const {
    const auto it = groups_.find(group);
    return it == groups_.end() ? nullptr : &it->second;
  }
  // True if the view is newer than the one known (a higher epoch) [M2].
  bool learn(GroupId group, const GroupView& view) {
    auto& known = groups_[group];
    if (known.epoch >= view.epoch && known.primary) return false;
    known = view;
    return true;
  }
  const std::map<GroupId, GroupView>& all() const { return groups_; }

 private:
  std::map<GroupId, GroupView> groups_;
};

}  // namespace dspm
