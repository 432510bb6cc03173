// What a checkpoint record says (13-media): with it recovery needs nothing of the log before it.
#pragma once

#include <cstdint>
#include <vector>

#include "commit/outcomes.h"
#include "utils/base/result.h"

namespace dspm::commit {

// A group as of the moment in which a checkpoint was begun.
struct GroupState {
  GroupId group;
  Lsn applied;  // every record up to it is folded, none behind it
  Outcomes::Table outcomes;
};

struct Checkpoint {
  std::uint64_t number = 0;  // from 1
  std::uint64_t head = 0;    // log position before which nothing is needed
  std::uint64_t stamp = 0;   // of the newest frame or the newest let go
  std::uint64_t frames = 0;  // that exist [E4]
  std::uint64_t sum = 0;     // of their identity CRCs
  std::vector<GroupState> groups;
};

Bytes encode(const Checkpoint& checkpoint);
// Trusts nothing: Status::corrupt.
Result<Checkpoint> decode_checkpoint(ByteSpan bytes);

}  // namespace dspm::commit
