// From a pool's bytes to its state, after whatever happened [13-media, Recovery]. Writes nothing
// but what settling means: what is read here is durable afterwards.
#pragma once

#include <array>
#include <optional>

#include "commit/frame_scan.h"
#include "commit/pool.h"

namespace dspm::commit {

struct Recovery {
  format::Superblock superblock;
  Checkpoint checkpoint;
  std::array<std::optional<format::Anchor>, 2> anchors;  // those that are valid
  LogEnd end;
  FrameTable::Found frames;
  std::vector<RecoveredGroup> groups;  // ascending
  RecoveryReport report;
};

// Errors as Pool::open.
Result<Recovery> recover(Pmem& pmem, const PoolIdentity& expected);

std::string cluster_of(const format::Superblock& superblock);
// What the first valid superblock says; none valid: no_entry, with the reason. foreign: another
// version of the format, other sizes than the Pmem has.
Result<format::Superblock> read_superblock(Pmem& pmem);
// The same from the pool's first bytes (at least 2 * format::kBlock).
Result<format::Superblock> read_superblock(ByteSpan start);

}  // namespace dspm::commit
