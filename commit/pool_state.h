// The inside of a pool.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "commit/frame_table.h"
#include "commit/log.h"
#include "commit/pool.h"
#include "utils/base/planted.h"

namespace dspm::commit {

// Sizes of a log: what may be used of it for what.
struct LogShares {
  std::uint64_t checkpoint = 0;  // the largest checkpoint record
  std::uint64_t usable = 0;      // for all groups' records that are not trimmed, and one checkpoint
};
// [13-media, Space] What is carried over a checkpoint fits beside what it replaces.
LogShares shares_of(std::uint64_t ring);

struct Pool::State {
  State(Pmem& pmem, PoolId id, const Log::Shape& shape, LogEnd end, std::uint64_t frames,
        const PoolOptions& options)
      : pmem(pmem),
        id(id),
        options(options),
        log(pmem, shape, end),
        frames(pmem, shape.pool_tag, frames) {}

  static constexpr std::uint64_t kHeld = ~std::uint64_t{0};
  struct Live {  // a record that a restart would need
    RecordRef record;
    Lsn decided;
    std::uint64_t position = kHeld;  // not yet in the log
    std::uint64_t bytes = 0;
  };
  struct GroupLog {
    std::deque<Live> live;  // ascending sequences
    std::uint64_t used = 0;
    // The first of them need not be carried over a checkpoint: they are folded.
    std::size_t folded = 0;
    std::uint64_t folded_bytes = 0;

    void fold(Lsn upto);
    void drop_front();
  };
  struct Put {  // its durability is owed
    std::uint64_t end = 0;
    GroupId group;
    Lsn lsn;
  };
  enum class Stage { idle, syncing, recording, anchoring, completing };

  // A checkpoint that carries everything over would still fit behind `bytes` more.
  bool fits(std::uint64_t bytes) const;
  void add(GroupId group, Live live);
  void put(GroupId group, Live& live);
  void put_held();
  void deliver_durable();
  // ---- pool_checkpoint.cc
  bool step();
  void write_checkpoint();
  void checkpoint_durable();
  void trim();
  void note_folded();
  static void reached(std::vector<Reached>& list, GroupId group, Lsn lsn);

  Pmem& pmem;
  const PoolId id;
  const PoolOptions options;
  Log log;
  FrameTable frames;
  std::map<GroupId, GroupLog> groups;
  std::uint64_t used = 0;  // of all groups
  std::deque<std::pair<GroupId, Lsn>> held;
  std::deque<Put> owed;
  std::vector<Reached> durable, trimmed;

  std::uint64_t head = 0;           // of the last checkpoint: both anchors name it
  std::uint64_t newest = 0;         // number of the last checkpoint
  std::uint64_t start = 0;          // log position behind its record
  std::vector<GroupState> covered;  // by the last checkpoint
  Stage stage = Stage::idle;
  Checkpoint next;            // under way
  std::uint64_t awaited = 0;  // a sync, a position, a count of fences: by stage
  bool space_wanted = false;

  std::optional<Time> last_put;  // when the log last grew
  std::uint64_t last_tail = 0;
  bool marked = true;
};

}  // namespace dspm::commit
