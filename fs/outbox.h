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

  // The group whose log this node keeps, from now on empty.
  void own_group(GroupId group) { group_ = group; }
  // Appends to `ready` at once, or when durable() has reached what the message rests on.
  void send(NodeId to, Message message, Ready& ready);
  void durable(Lsn lsn, Ready& ready);

  // The record that a message of `group`'s primary rests on; 0 = none.
  static Lsn rests_on(const Message& message);
  std::size_t held() const { return held_.size(); }

 private:
  GroupId group_;
  Lsn durable_;
  std::multimap<Lsn, std::pair<NodeId, Message>> held_;
};

}  // namespace dspm::fs
