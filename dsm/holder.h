// The faulting side of coherence: which version this node's kernel holds of each page, what was
// last exchanged with it, what is staged; READ, WRITE, OPEN, FSYNC, sizes and invalidations as
// exchanges. Pure: one call an event, effects out. Rules F, C1, C4, C6, Z of 3-protocol.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "dsm/holder_effects.h"
#include "dsm/object_state.h"
#include "utils/base/doors.h"
#include "utils/base/group_table.h"

namespace dspm::dsm {

class Holder final : public KernelCopies {
 public:
  Holder(NodeId self, Incarnation incarnation, const GroupTable& groups, Duration answer_timeout,
         HolderLimits limits = {})
      : self_(self),
        incarnation_(incarnation),
        groups_(groups),
        timeout_(answer_timeout),
        limits_(limits) {}

  void object_learnt(Ino ino, GroupId home);
  void kernel(const KernelEvent& event, Time now, HolderEffects& out);
  void job_done(const JobDone& done, Time now, HolderEffects& out);
  void data(const Data& message, Time now, HolderEffects& out);
  void attr(const Attr& message, Time now, HolderEffects& out);
  void inval(NodeId from, const Inval& message, Time now, HolderEffects& out);
  void commit_settled(const CommitSettled& commit, Time now, HolderEffects& out);
  void commit_returned(Ino ino, const CommitId& id, Status reason, const Header& header, Time now,
                       HolderEffects& out);
  void commit_lost(Ino ino, const CommitId& id, Time now, HolderEffects& out);
  // [M1] what is unanswered at `peer` is asked again.
  void peer_up(NodeId peer, Time now, HolderEffects& out);
  // A new epoch of the group begins: its pages go, its headers are asked again, what is staged
  // stays.
  void group_reset(GroupId group, Time now, HolderEffects& out);
  // [L5] `primary` wants to hear when that is done: DroppedGroup.
  void drop(GroupId group, NodeId primary, Time now, HolderEffects& out);
  void kernel_copies(Ino ino, const PageRun& pages, std::vector<KernelCopy>& out) const override;
  // The group has been heard of: what waits for it is asked.
  void ask_again(GroupId group, Time now, HolderEffects& out);
  void tick(Time now, HolderEffects& out);
  Time next_deadline() const;

  bool owed() const;
  HolderCounters counters() const { return counters_; }
  const ObjectState* find(Ino ino) const;
  std::vector<Ino> objects() const;
  void check_invariants() const;

 private:
  using Object = ObjectState;
  struct Context {  // of one event
    Ino ino;
    Object& object;
    Time now;
    HolderEffects& out;
  };
  // holder.cc
  void open(Context c, const OpenRequest& request);
  void release(Context c, const ReleaseRequest& request);
  void attr_request(Context c, const AttrRequest& request);
  void send_fetch_attr(Context c, std::uint64_t request);
  void answer_attrs(Context c);
  AttrAnswer compose(const Object& object, const AttrInFlight& attr) const;
  void forgotten(Ino ino);
  void forget_idle(std::map<Ino, Object>::iterator it);
  void answer(Context c, Unique unique, Status status = Status::ok);
  void timeouts(Context c);
  void finish(Ino ino, HolderEffects& out);
  static Time deadline_of(const Object& object);
  static bool waits_for_peer(const Object& object);
  const GroupView* home(const Object& object) const { return groups_.find(object.home); }
  // holder_drop.cc
  bool dropped(GroupId group) const;
  void check_drops(HolderEffects& out);
  // holder_read.cc
  void read(Context c, const ReadRequest& request);
  void start_read(Context c, ReadInFlight& read);
  void start_waiting_reads(Context c);
  void fetch_missing(Context c, ReadInFlight& read);
  void fetch_header(Context c);
  bool usable(const Object& object, const ReadInFlight& read, std::size_t i) const;
  void try_answer(Context c, ReadInFlight& read);
  PageRef assemble(const Object& object, const ReadInFlight& read, std::size_t i) const;
  void given(Context c, PageState& page, const PageRef& bytes, Version version);
  void drop_tail(Context c, const ReadRequest& request, PageNo first);
  void end_reads(Object& object, const ReadRequest& request);
  // holder_write.cc
  void write(Context c, const WriteRequest& request);
  void mapped_write(Context c, const WriteRequest& request);
  void mapped_page(Context c, PageNo number, std::size_t at, ByteSpan bytes, WallTime stamp);
  bool written_page(Context c, PageNo number, std::size_t at, ByteSpan bytes, bool direct);
  static void accept_zeros(PageState& page, std::uint64_t begin, std::size_t at, std::size_t count,
                           std::uint64_t from);
  void drop_page_of_old_end(Context c);
  void poison(Context c);
  void early_commit(Context c);
  // holder_budget.cc
  void set_twin(PageState& page, OwnPage twin);
  void bound_twins(Context c);
  void take_twins(Context c, std::uint64_t& want);
  void drop_late_twins(Context c);
  void forget_twins(const Object& object);
  std::uint64_t staged_now(const Object& object) const;
  void count_staged(Object& object);
  void refuse_write(Context c, const WriteRequest& request);
  void answer_write(Context c, Unique unique);
  void release_slowed(Context c);
  // holder_inval.cc
  Ticket start_job(Context c, Job job, RunningJob running);
  Ticket drop_run(Context c, PageRun run, bool evicts = false);
  void drop_copies(Context c);
  static PageState& page_at(Object& object, PageNo number);
  static void raise_bar(PageState& page);
  void end_bar(Context c, PageNo number, PageState& page);
  void page_dropped(Context c, PageNo number, PageState& page, PageRuns& again);
  void release_held(Context c, RunningJob& job);
  void owe_invalidated(Context c, PageNo number, Version version);
  void flush_invalidated(HolderEffects& out);
  // holder_size.cc
  void learn(Context c, const Header& header, bool own = false);
  void cut_here(Object& object, std::uint64_t cut);
  static void note_shrink(Object& object, std::uint64_t size);
  void end_zeroing(Context c);
  void want_push(Context c);
  void start_push(Context c);
  void push_job_done(Context c);
  void push_missed(Context c);
  void finish_push(Context c);
  void resize_step(Context c);
  void resize_raised(Context c, Unique setattr);
  void answer_resize(Context c);
  Unique fail_resize(Context c);
  void setattr_answered(Context c, const SetattrAnswered& event);
  // holder_commit.cc
  void enqueue(Context c, PendingCommit pending);
  void pump(Context c);
  bool freeze(Context c, const PendingCommit& pending);
  void submit(Context c);
  void give_back(Context c, Status reason);
  void check_waits(Context c);
  void thaw(Context c, const CommitSettled& commit);

  NodeId self_;
  Incarnation incarnation_;
  const GroupTable& groups_;
  Duration timeout_;
  std::uint64_t sequence_ = 0;  // of commits
  std::uint64_t request_ = 0;   // of Fetch and FetchAttr
  std::uint64_t ticket_ = 0;
  HolderLimits limits_;
  std::uint64_t twins_ = 0, leaving_ = 0;  // all; those about to go [F4]
  std::uint64_t staged_ = 0;               // pages, of all objects
  std::pair<Ino, PageNo> hand_;            // where the next eviction looks first
  std::map<Ino, Object> objects_;
  std::set<Ino> busy_;  // those that time or a peer's answer matters to; few of many
  // Answers gathered during one event: one Invalidated a version [F8].
  std::map<std::pair<Ino, Version>, PageRuns> gathered_;
  std::map<GroupId, NodeId> drops_;  // who wants to hear that the group's pages are gone
  HolderCounters counters_;
};

}  // namespace dspm::dsm
