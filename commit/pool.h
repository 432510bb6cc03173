// A node's pool: the circular log that its groups share, the frames of their pages, checkpoints.
// Deterministic, over a Pmem; everything is called from one thread, the loop's. After a failure
// (health()) nothing that was read or reported since the last good look may leave the node.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commit/checkpoint.h"
#include "commit/record.h"
#include "utils/base/time.h"
#include "utils/pmem/pmem.h"

namespace dspm::commit {

using PoolId = Id<struct PoolTag, std::uint64_t>;  // random, from creation [S2]

struct PoolIdentity {
  std::string cluster;  // at most 64 characters
  NodeId node;
  PoolId pool;  // open: 0 = whichever is there
};

struct PoolOptions {
  std::size_t groups = 1;  // that share the pool; their shares are equal [P10]
  Duration mark_after = std::chrono::milliseconds(100);  // of silence [P7]
};

// What recovery found, for people.
struct RecoveryReport {
  bool torn_tail = false;
  std::uint64_t log_bytes = 0;         // read behind the head
  std::uint64_t frames = 0;            // in use
  std::uint64_t units_torn = 0;        // failed their CRC and are in the log as a whole
  std::uint64_t units_unverified = 0;  // failed it, and the log has only a part of them
};

struct RecoveredGroup {
  GroupId group;
  Lsn applied;  // as of the checkpoint: fold `records` in order from here, whatever frames say [E3]
  Outcomes::Table outcomes;        // as of the checkpoint
  std::vector<RecordRef> records;  // above `applied`, contiguous, all durable
  Lsn decided;  // the highest that is known to be; never behind the last of `records`
};

class FrameTable;
class Log;

class Pool {
 public:
  struct Opened;
  // [13-media, Creation] Sizes are the Pmem's. Blocks. Errors: exists (a pool is there, or what
  // may be one), too_large and invalid (sizes, cluster), io_error, no_space.
  // `fragment`: bytes of a record in one fragment; less than the usual only for tests.
  static Outcome create(Pmem& pmem, const PoolIdentity& identity,
                        std::uint32_t fragment = 1u << 20);
  // [13-media, Recovery] Blocks. `pmem` outlives the pool. Errors: no_entry (no pool), foreign
  // (another cluster's, node's, format's), corrupt (damaged: what to do is said), io_error.
  static Result<Opened> open(Pmem& pmem, const PoolIdentity& expected, const PoolOptions& options);
  ~Pool();

  // ---- the log
  // Queues a record of `group`; it replaces those of the same or a later sequence. `decided`: the
  // group's highest LSN applied here [E6]. There must be room() for it: its frames are promised
  // from here to its fold.
  void append(GroupId group, RecordRef record, Lsn decided);
  // [A6] The group's records from `sequence` on were never decided; nothing is reported of them any
  // more. A restart may still find them.
  void cut(GroupId group, std::uint64_t sequence);
  // At the end of each turn, after pmem.poll(): begins the fence for what was appended, moves a
  // checkpoint on.
  void flush(Time now);
  // When flush() wants to be called again at the latest; kNever.
  Time next_deadline() const;
  struct Reached {
    GroupId group;
    Lsn lsn;
  };
  // Per group the highest LSN that has become durable since the last call.
  std::vector<Reached> take_durable();

  // ---- checkpoints
  // There is enough to gain, and none is under way.
  bool wants_checkpoint() const;
  // With every group that is served here (one that is not stays as it was); nothing may be folded
  // between noting `groups` and this call.
  void begin_checkpoint(std::vector<GroupState> groups);
  bool checkpointing() const;
  // Per group the applied LSN of the checkpoint that has become durable since the last call: no
  // record at or below it is needed any more, its bytes of the log may be used again [P9].
  std::vector<Reached> take_trimmed();

  // ---- space [P10]
  // Bytes of log that one group may use for records that are not trimmed, as log_bytes() counts.
  std::uint64_t log_share() const;
  // Frames that one group may use; and how many of them for pages and objects, so that the rest is
  // left for pinned pages that are folded.
  std::uint64_t frame_share() const;
  std::uint64_t page_share() const;
  std::uint64_t log_used(GroupId group) const;
  std::uint64_t frames_used(GroupId group) const;  // promised, let go but not yet free: included
  // A record of these needs: ok; busy: after a checkpoint, or when pins go; no_space: never,
  // or the disk is full.
  struct Need {
    std::uint64_t log_bytes = 0;  // log_bytes(record)
    std::uint64_t pages = 0;      // that it touches, with the object's own frame
    std::uint64_t fresh = 0;      // those of them that have no frame yet
  };
  Status room(GroupId group, const Need& need);
  // Somebody waits for space: a checkpoint is wanted as soon as it gains any.
  void want_space();

  PoolId id() const;
  std::uint64_t frames_total() const;
  std::uint64_t log_size() const;
  // Damage found while running, or the Pmem's failure; for good.
  const Outcome& health() const;
  void check_invariants() const;

  FrameTable& frames();

 private:
  struct State;
  explicit Pool(std::unique_ptr<State> state);
  void adopt(const RecoveredGroup& group);
  std::unique_ptr<State> state_;
};

struct Pool::Opened {
  std::unique_ptr<Pool> pool;
  std::vector<RecoveredGroup> groups;  // those that the checkpoint or the log knows
  RecoveryReport report;
};

// What a record takes in the log at most, with headers and filling.
std::uint64_t log_bytes(const Record& record);

std::string to_string(PoolId id);

}  // namespace dspm::commit
