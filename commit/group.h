// One replica group as a machine. Here the primary of a group whose only member is this node: it
// orders commits, appends them to its log, and publishes a record when the log is durable. Backups
// come in beside it (their acknowledgements are a second condition of `decided`).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <variant>
#include <vector>

#include "commit/frames.h"
#include "commit/messages.h"
#include "commit/order.h"
#include "utils/base/doors.h"

namespace dspm::commit {

struct GroupSend {
  NodeId to;
  std::variant<Decided, Done, Refused> message;
};
struct AppendRecord {  // durable(lsn) is owed for it
  RecordRef record;
  Lsn decided;  // [E6] the highest LSN published here
};
using GroupEffect = std::variant<GroupSend, AppendRecord, Published>;
using GroupEffects = std::vector<GroupEffect>;

class Group final : public PublishedObjects {
 public:
  // Hears of each record as it is published; `sets_size`: it came from a SetSize.
  using Observer = std::function<void(const Record&, bool sets_size)>;
  Group(GroupId id, Epoch epoch, Observer observer)
      : id_(id), epoch_(epoch), observer_(std::move(observer)) {}

  // [C2] A commit of a node; may come again [M1]. Its answers go to `from`.
  void commit(NodeId from, Commit message, GroupEffects& out);
  // The own log is durable up to `lsn`: decided, published [C3]. For each Published effect the
  // caller says settled() at once or later.
  void durable(Lsn lsn, GroupEffects& out);
  // Nobody has anything older any more.
  void settled(const CommitId& id, GroupEffects& out);
  // Published, but somebody must drop a page first: the committer hears Decided [C3] [D2].
  void unsettled(const CommitId& id, GroupEffects& out);

  PublishedPage page(Ino ino, PageNo page) const override { return frames_.page(ino, page); }
  Header header(Ino ino) const override { return frames_.header(ino); }
  Times times(Ino ino) const override { return frames_.times(ino); }
  bool contains(const CommitId& id) const override;

  GroupId id() const { return id_; }
  Epoch epoch() const { return epoch_; }
  std::size_t undecided() const { return log_.size(); }
  std::size_t outcomes() const;
  void check_invariants() const;

 private:
  enum class Stage : unsigned char { refused, ordered, published, settled };
  // [C7] What became of an id.
  struct Outcome {
    Stage stage = Stage::refused;
    std::uint32_t attempt = 0;
    NodeId committer;
    Ino ino;
    Settlement settlement;
  };
  struct Committer {
    std::uint64_t forgotten_below = 0;
    std::map<std::uint64_t, Outcome> outcomes;  // by sequence
  };
  // What a record of the log needs beside it until it is published.
  struct Undecided {
    RecordRef record;
    PageRuns unread_copies;  // [F7]
    bool waits_for_header = false, sets_size = false;
  };

  Outcome* find(const CommitId& id);
  bool answer_again(NodeId from, const Commit& message, GroupEffects& out);
  Ordered& ordered(Ino ino);
  void publish(Undecided& undecided, GroupEffects& out);
  void tell(const CommitId& id, const Outcome& outcome, bool done, GroupEffects& out);

  GroupId id_;
  Epoch epoch_;
  Observer observer_;
  Lsn last_, published_;  // of the newest record ordered, published
  Frames frames_;
  std::deque<Undecided> log_;  // ordered, not yet decided
  std::map<Ino, Ordered> ordered_;
  std::vector<std::pair<NodeId, Commit>> held_;  // refused once the records before are decided
  std::map<std::pair<NodeId, Incarnation>, Committer> committers_;
  std::map<Ino, Generation> learnt_;  // cut so often as of the last settled SetSize [Z1]
};

}  // namespace dspm::commit
