// What a replica group asks of its node.
#pragma once

#include <variant>
#include <vector>

#include "commit/messages.h"

namespace dspm::commit {

struct GroupSend {
  NodeId to;
  std::variant<Decided, Done, Refused, Collect, Position, Pull, Pulled, Append, AppendAck, Drop,
               Dropped>
      message;
};
// Append it to this node's log; durable(group, lsn) is owed for it.
struct AppendRecord {
  RecordRef record;
  Lsn decided;  // [E6] the highest LSN applied here
};
// [C5] [A2] A member's kernel has this, from its own replica: the directory must know.
struct SharerReported {
  NodeId node;
  KernelCopy copy;
};
// The View is decided: READs and commits are served from now on.
struct Opened {};

using GroupEffect = std::variant<GroupSend, AppendRecord, SharerReported, Published, Opened>;
using GroupEffects = std::vector<GroupEffect>;

}  // namespace dspm::commit
