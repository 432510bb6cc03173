// Messages that rest on a log record wait here until that record is durable on this node [M3]; the
// only way out of the node. Fetch, Inval and Commit wait for nothing.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "fs/messages.h"

namespace dspm::fs {

class Outbox {
 public:
  using Ready = std::vector<std::pair<NodeId, Message>>;

  // This node keeps a log of the group, durable up to `durable`.
  void keeps(GroupId group, Lsn durable) { groups_[group].durable = durable; }
  // Appends to `ready` at once, or when durable() has reached what the message rests on.
  void send(NodeId to, Message message, Ready& ready);
  void durable(GroupId group, Lsn lsn, Ready& ready);

  // The record that a message of its group's primary rests on; 0 = none.
  static Lsn rests_on(const Message& message);
  std::size_t held() const;

 private:
  struct OfGroup {
    Lsn durable;
    std::multimap<Lsn, std::pair<NodeId, Message>> held;
  };
  std::map<GroupId, OfGroup> groups_;
};

}  // namespace dspm::fs
