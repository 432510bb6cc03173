// All machines of one node and the routes between them: a switchboard. Pure: no I/O, clock, thread
// or random number. The loop is its only caller in production, the simulator the other.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "commit/checkpoint.h"
#include "commit/group.h"
#include "dsm/holder_effects.h"
#include "fs/messages.h"
#include "utils/base/ids.h"
#include "utils/base/time.h"

namespace dspm::fs {

// ---- in
struct FromKernel {
  dsm::KernelEvent event;
};
struct FromPeer {  // a decoded message of a live connection
  NodeId from;
  Incarnation incarnation;
  Message message;
};
// A connection to this life of the node is up (again): what is unanswered is sent again [M1].
struct PeerUp {
  NodeId node;
  Incarnation incarnation;
};
// pg/<g> as read from the cluster store; own groups too.
struct GroupLearnt {
  GroupId group;
  Epoch epoch;
  NodeId primary;
  Incarnation incarnation;
  std::vector<NodeId> members;  // in order
  // Of a group that this node leads: the sessions that lived when the epoch had begun [L5] (3).
  std::map<NodeId, Incarnation> live;
};
// Where an object lives, from its inode record; must come before any other event of the object.
struct ObjectLearnt {
  Ino ino;
  GroupId home;
};
struct LogDurable {  // the own log has the group's records up to here for good
  GroupId group;
  Lsn lsn;
};
struct LogTrimmed {  // [P9] a durable checkpoint covers the group's records up to here
  GroupId group;
  Lsn lsn;
};
struct Tick {};  // time has passed; see next_deadline()
using NodeEvent = std::variant<FromKernel, FromPeer, PeerUp, GroupLearnt, ObjectLearnt, LogDurable,
                               LogTrimmed, dsm::JobDone, Tick>;

// ---- out
struct SendTo {
  NodeId to;
  Message message;
};
struct WriteLog {  // append this record; LogDurable{group, lsn} comes when it is durable
  GroupId group;
  commit::RecordRef record;
  Lsn decided;
};
using NodeEffect = std::variant<SendTo, dsm::KernelAnswer, dsm::Job, WriteLog>;
using NodeEffects = std::vector<NodeEffect>;

struct NodeOptions {
  NodeId self;
  Incarnation incarnation;
  // What this node's pool has of a group; called once, when the group is first heard of. Null: no
  // pool, every group begins empty.
  std::function<commit::ReplicaState(GroupId)> recovered;
  Duration answer_timeout = kAnswerTimeout;
  dsm::HolderLimits limits;  // memory for twins and staged pages
  // Observer for tests: called for each record as it is published, in Lsn order of the group.
  std::function<void(const commit::Record&, bool sets_size)> on_publish;
};

// What `dspm status` and `dspm object` show.
struct NodeCounters {
  std::uint64_t fetches = 0, refetches = 0, commits = 0, refused = 0, invalidations = 0;
  std::uint64_t rewrites = 0;      // write()s held by 2-kernel rule 8
  std::uint64_t kept_pages = 0;    // mapped WRITEs of pages the kernel had not dropped [N10]
  std::uint64_t timeouts = 0;      // requests answered EIO after answer_timeout
  std::uint64_t stale_epochs = 0;  // messages refused by M2
  std::uint64_t poisoned = 0;      // [F11]
  std::uint64_t local_reads = 0;   // answered from the own replica [F2]
};
struct GroupStatus {
  GroupId group;
  Epoch epoch;
  NodeId primary;
  bool member = false;
  Lsn last, applied, trimmed;
  std::string trouble;  // empty: it serves, as far as this node can tell
};
struct ObjectStatus {
  Ino ino;
  GroupId home;
  std::uint64_t size = 0, told = 0, twins = 0, cached_pages = 0;
  std::uint64_t staged_bytes = 0;  // not known to be committed
  std::uint32_t opens = 0, writable_opens = 0, commits_in_flight = 0;
  Version version;
  Generation generation;
};

class Node {
 public:
  explicit Node(NodeOptions options);
  ~Node();

  // One event; appends what is to be done. `now` never goes back. Loop thread.
  void step(const NodeEvent& event, Time now, NodeEffects& effects);
  // When Tick is wanted next; kNever if nothing waits for time.
  Time next_deadline() const;
  // A peer owes this node an answer: worth spinning for.
  bool owed() const;

  NodeCounters counters() const;
  std::optional<ObjectStatus> object(Ino ino) const;
  std::vector<Ino> objects() const;
  std::vector<GroupStatus> group_status() const;
  // [P9] Of the groups of which this node is a member, for a checkpoint.
  std::vector<commit::GroupState> group_states() const;
  // This node's replica of a group; null where it is no member. For tests and tools.
  const commit::Group* group(GroupId id) const;
  // Panics where a machine's state contradicts itself (simulation and debug builds).
  void check_invariants() const;

 private:
  struct Machines;
  std::unique_ptr<Machines> machines_;
};

}  // namespace dspm::fs
