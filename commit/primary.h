// The member of a group that orders its commits (3-protocol C2, C3, C7, L5 for the own group). It
// begins with gathering what the members hold; a View decides the tail with itself and opens.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "commit/order.h"
#include "commit/replica.h"
#include "utils/base/time.h"

namespace dspm::commit {

class Primary {
 public:
  // Hears of each record as it is published; `sets_size`: it came from a SetSize of this life.
  using Observer = std::function<void(const Record&, bool sets_size)>;
  struct Options {
    GroupId group;
    Epoch epoch;
    std::vector<NodeId> backups;
    // [L5] (3) The sessions that were live when the epoch began, this node's own left out: no Done
    // is sent before each has Dropped, or its next life is here.
    std::map<NodeId, Incarnation> live;
    Observer observer;
  };
  // `replica` outlives it. start() comes next, then peer_up() for who is connected.
  Primary(Options options, Replica& replica);
  void start(Time now, GroupEffects& out);

  // ---- from the members
  void position(NodeId from, const Position& message, Time now, GroupEffects& out);
  void pulled(NodeId from, const Pulled& message, Time now, GroupEffects& out);
  void append_ack(NodeId from, const AppendAck& message, Time now, GroupEffects& out);
  void dropped(NodeId from, GroupEffects& out);
  // [M1] A connection to this life of `node` is up: everything under way with it begins again.
  void peer_up(NodeId node, Incarnation incarnation, GroupEffects& out);

  // ---- from committers. Only when open().
  void commit(NodeId from, Commit message, GroupEffects& out);
  // Nobody has anything older any more.
  void settled(const CommitId& id, GroupEffects& out);
  // Published, but somebody must drop a page first: the committer hears Decided [C3] [D2].
  void unsettled(const CommitId& id, GroupEffects& out);

  // ---- from the own pool
  void durable(Time now, GroupEffects& out);
  void trimmed(GroupEffects& out);

  // [C3] The backups are told what is decided where no Append has done it.
  void tick(Time now, GroupEffects& out);
  Time next_deadline() const {
    return wait_room_.empty() ? tell_at_ : std::min(tell_at_, retry_at_);
  }

  bool open() const { return phase_ == Phase::open; }
  // Who is waited for, for people; empty when open.
  std::string waiting_for() const;
  void check_invariants() const;

 private:
  enum class Phase : unsigned char { gathering, pulling, viewing, open };
  struct Member {
    bool streaming = false;  // its Position of this connection has come
    std::optional<Position> position;
    Incarnation life;
    Lsn acked, trimmed;
    Lsn sent, told;
    MemberSpace space;
  };
  enum class Stage : unsigned char { refused, ordered, published, settled };
  // [C7] What became of an id in this life; older ones are in the replica's outcomes.
  struct Outcome {
    Stage stage = Stage::refused;
    std::uint32_t attempt = 0;
    Ino ino;
    Settlement settlement;
  };
  // What a record needs beside it until it is published.
  struct Beside {
    PageRuns unread_copies;  // [F7]
    bool waits_for_header = false, sets_size = false;
  };
  struct Held {
    NodeId from;
    Commit message;
    Lsn behind;  // refused, or taken, when this is published
  };

  // primary_start.cc
  void choose(Time now, GroupEffects& out);
  Lsn common(const Position& position) const;
  void begin_stream(Member& member, NodeId node, GroupEffects& out);
  void view(Time now, GroupEffects& out);
  void dropped_by(NodeId node, GroupEffects& out);
  // primary_space.cc
  Status room(const Change& change) const;
  void count(const Record& record);
  void released(GroupEffects& out);
  void retry_room(GroupEffects& out);
  void ask_for_space(GroupEffects& out);
  MemberSpace least_space() const;
  // primary.cc
  bool answer_again(NodeId from, const Commit& message, GroupEffects& out);
  void admit(NodeId from, Commit message, Lsn behind, GroupEffects& out);
  void refuse(NodeId to, const Commit& message, Status reason, GroupEffects& out);
  void forget_below(const Commit& message);
  static void hold(std::vector<Held>& queue, Held held);
  Ordered& ordered(Ino ino);
  void stream(NodeId node, Member& member, GroupEffects& out);
  void stream_all(GroupEffects& out);
  void tell_decided(NodeId node, Member& member, bool wants_space, GroupEffects& out);
  void decide(Time now, GroupEffects& out);
  void publish(GroupEffects& out);
  void retry_held(GroupEffects& out);
  void tell(const CommitId& id, const Outcome& outcome, bool done, GroupEffects& out);

  Options options_;
  Replica& replica_;
  Phase phase_ = Phase::gathering;
  Lsn view_;
  NodeId pulling_from_;
  std::map<NodeId, Member> members_;
  std::map<Lsn, Beside> beside_;
  std::map<Ino, Ordered> ordered_;
  std::map<Ino, Generation> learnt_;  // cut so often as of the last settled SetSize [Z1]
  std::map<CommitId, Outcome> outcomes_;
  std::vector<Held> held_;           // until the records that were ordered before are published
  std::vector<Held> wait_room_;      // admitted when something has been trimmed [P10]
  std::vector<CommitId> undropped_;  // settled; Done waits for `live` to be empty
  std::deque<std::pair<Lsn, std::uint64_t>> log_bytes_;  // of records that some member's log needs
  std::uint64_t log_used_ = 0;
  Time tell_at_ = kNever;
  Time retry_at_{};  // who waits for room is looked at again
};

}  // namespace dspm::commit
