#include "fs/node.h"

#include <algorithm>
#include <deque>
#include <map>
#include <type_traits>
#include <utility>

#include "commit/committer.h"
#include "dsm/directory.h"
#include "dsm/holder.h"
#include "fs/outbox.h"
#include "utils/base/group_table.h"

namespace dspm::fs {
namespace {
// Messages of an epoch not learnt yet; what is more is dropped, its sender asks again [M2].
constexpr std::size_t kMaxEarlyMessages = 16384;
}  // namespace

struct Node::Machines {
  explicit Machines(NodeOptions given)
      : options(std::move(given)),
        holder(options.self, options.incarnation, groups, options.answer_timeout, options.limits),
        committer(options.self, groups) {}

  // A group of which this node keeps a replica.
  struct Member {
    std::unique_ptr<commit::Group> group;
    std::unique_ptr<dsm::Directory> directory;  // where this node is its primary
    std::deque<std::pair<NodeId, Message>> unopened;
    commit::GroupEffects out;  // of the running step
  };
  Member* member_of(GroupId id) {
    const auto it = members.find(id);
    return it == members.end() ? nullptr : &it->second;
  }

  // ---- one event
  void on(const FromKernel& e) {
    holder.kernel(e.event, now, holder_out);
    route_holder();
  }
  void on(const FromPeer& e) {
    const auto life = lives.find(e.from);
    if (life == lives.end() || life->second != e.incarnation) return;  // of a dead connection [M1]
    take(e.from, e.message);
  }
  void on(const PeerUp& e);
  void on(const GroupLearnt& e);
  void begin(const GroupLearnt& e);
  void on(const ObjectLearnt& e) { holder.object_learnt(e.ino, e.home); }
  void on(const LogDurable& e);
  void on(const LogTrimmed& e);
  void on(const dsm::JobDone& e) {
    holder.job_done(e, now, holder_out);
    route_holder();
  }
  void on(const Tick&) {
    holder.tick(now, holder_out);
    for (auto& [id, member] : members) member.group->tick(now, member.out);
  }

  // ---- messages in
  void take(NodeId from, const Message& message);
  void deliver(NodeId from, const Message& message);
  void deliver(NodeId from, const dsm::Fetch& m);
  void deliver(NodeId from, const dsm::FetchAttr& m);
  void deliver(NodeId from, const dsm::Invalidated& m);
  void deliver(NodeId from, const commit::Commit& m);
  void deliver(NodeId, const dsm::Data& m) { holder.data(m, now, holder_out); }
  void deliver(NodeId, const dsm::Attr& m) { holder.attr(m, now, holder_out); }
  void deliver(NodeId from, const dsm::Inval& m) { holder.inval(from, m, now, holder_out); }
  void deliver(NodeId, const commit::Decided& m) { committer.decided(m, committer_out); }
  void deliver(NodeId, const commit::Done& m) { committer.done(m, committer_out); }
  void deliver(NodeId, const commit::Refused& m) { committer.refused(m, committer_out); }
  void deliver(NodeId from, const commit::Drop& m) { holder.drop(m.group, from, now, holder_out); }
  template <class M>
  void deliver(NodeId from, const M& m) {  // what the members of a group say to each other
    if (Member* member = member_of(m.group)) member->group->take(from, m, now, member->out);
  }
  // [F2] [A18] Only the open primary answers; what comes before waits for its View.
  template <class M>
  Member* open_primary(NodeId from, const M& m) {
    Member* member = member_of(m.group);
    if (member == nullptr || !member->group->leads()) return nullptr;
    if (member->group->open()) return member;
    if (member->unopened.size() < kMaxEarlyMessages) member->unopened.emplace_back(from, m);
    return nullptr;
  }

  // ---- messages out
  bool answer_here(const dsm::Fetch& m);
  void send(NodeId to, Message message) {
    Outbox::Ready ready;
    outbox.send(to, std::move(message), ready);
    for (auto& [node, m] : ready) leave(node, std::move(m));
  }
  void leave(NodeId to, Message message) {
    if (to == options.self) {
      to_self.push_back(std::move(message));
    } else {
      out->push_back(SendTo{to, std::move(message)});
    }
  }

  // ---- routes: what a machine asks for goes where it belongs
  void route_holder();
  void route_committer();
  void route_group(Member& member);
  void route_directory();
  void route(const commit::Settled& e);
  void route(Member& member, const Published& record);
  void settle();  // runs all routes until nothing is left

  NodeOptions options;
  GroupTable groups;
  dsm::Holder holder;
  commit::Committer committer;
  std::map<GroupId, Member> members;  // of which this node is one
  Outbox outbox;
  std::map<NodeId, Incarnation> lives;
  std::deque<std::pair<NodeId, Message>> early;  // [M2]
  std::deque<Message> to_self;
  std::uint64_t stale_epochs = 0, local_reads = 0;

  // of the running step
  Time now{};
  NodeEffects* out = nullptr;
  dsm::HolderEffects holder_out;
  dsm::DirectorySends directory_out;
  commit::CommitterEffects committer_out;
};

void Node::Machines::on(const PeerUp& e) {
  lives[e.node] = e.incarnation;
  for (auto& [id, member] : members) {
    member.group->peer_up(e.node, e.incarnation, member.out);
    if (member.directory) member.directory->peer_up(e.node, e.incarnation, directory_out);
  }
  holder.peer_up(e.node, now, holder_out);
  committer.peer_up(e.node, committer_out);
}

void Node::Machines::on(const GroupLearnt& e) {
  const bool known = groups.find(e.group) != nullptr;
  if (!groups.learn(e.group, {e.epoch, e.primary, e.incarnation, e.members})) return;
  if (std::find(e.members.begin(), e.members.end(), options.self) != e.members.end()) begin(e);
  if (known) {
    holder.group_reset(e.group, now, holder_out);
  } else {
    holder.ask_again(e.group, now, holder_out);
  }
  committer.group_learnt(e.group, committer_out);
  std::deque<std::pair<NodeId, Message>> waiting;
  waiting.swap(early);
  for (const auto& [from, message] : waiting) take(from, message);
}

// This node is a member: its replica goes on in the new epoch.
void Node::Machines::begin(const GroupLearnt& e) {
  Member& member = members[e.group];
  if (!member.group) {
    commit::ReplicaState state;
    if (options.recovered) state = options.recovered(e.group);
    member.group = std::make_unique<commit::Group>(e.group, options.self, std::move(state), holder,
                                                   options.on_publish);
    outbox.keeps(e.group, member.group->replica().durable());
  }
  member.unopened.clear();  // of the old epoch: asked again
  member.directory.reset();
  // A life of this node leads only from where its own incarnation took over.
  const bool leads = e.primary == options.self && e.incarnation == options.incarnation;
  if (e.primary == options.self && !leads) return;
  if (leads) {
    member.directory = std::make_unique<dsm::Directory>(e.group, e.epoch, *member.group);
    for (const auto& [node, life] : lives) member.directory->peer_up(node, life, directory_out);
  }
  member.group->begin({e.epoch, e.primary, e.members, e.live}, now, member.out);
  for (const auto& [node, life] : lives) member.group->peer_up(node, life, member.out);
}

void Node::Machines::on(const LogDurable& e) {
  Outbox::Ready ready;
  outbox.durable(e.group, e.lsn, ready);
  for (auto& [to, message] : ready) leave(to, std::move(message));
  if (Member* member = member_of(e.group)) member->group->durable(e.lsn, now, member->out);
}

void Node::Machines::on(const LogTrimmed& e) {
  if (Member* member = member_of(e.group)) member->group->trimmed(e.lsn, member->out);
}

// [M2] Of a higher epoch: waits until it has been learnt. Lower: refused; its sender will learn the
// present one and ask again.
void Node::Machines::take(NodeId from, const Message& message) {
  const auto [id, epoch] =
      std::visit([](const auto& m) { return std::pair(m.group, m.epoch); }, message);
  const GroupView* view = groups.find(id);
  if (view == nullptr || epoch > view->epoch) {
    if (early.size() < kMaxEarlyMessages) early.emplace_back(from, message);
    return;
  }
  if (epoch < view->epoch) {
    ++stale_epochs;
    return;
  }
  deliver(from, message);
}

void Node::Machines::deliver(NodeId from, const Message& message) {
  std::visit([&](const auto& m) { deliver(from, m); }, message);
}

void Node::Machines::deliver(NodeId from, const dsm::Fetch& m) {
  if (Member* member = open_primary(from, m)) member->directory->fetch(from, m, directory_out);
}
void Node::Machines::deliver(NodeId from, const dsm::FetchAttr& m) {
  if (Member* member = open_primary(from, m)) member->directory->fetch_attr(from, m, directory_out);
}
void Node::Machines::deliver(NodeId from, const dsm::Invalidated& m) {
  Member* member = open_primary(from, m);
  if (member == nullptr) return;
  for (const CommitId& id : member->directory->invalidated(from, m)) {
    member->group->settled(id, member->out);
  }
}
void Node::Machines::deliver(NodeId from, const commit::Commit& m) {
  if (Member* member = open_primary(from, m)) member->group->commit(from, m, member->out);
}

// Door 1. [F2] From the own replica, where its primary would say the same; nobody is told: the next
// acknowledgement of a record says what this kernel holds [C5].
bool Node::Machines::answer_here(const dsm::Fetch& m) {
  const Member* member = member_of(m.group);
  if (member == nullptr || !member->group->may_read(m.ino)) return false;
  ++local_reads;
  holder.data(dsm::published_data(*member->group, m), now, holder_out);
  return true;
}

void Node::Machines::route_holder() {
  dsm::HolderEffects effects;
  effects.swap(holder_out);
  for (auto& effect : effects) {
    std::visit(
        [&](auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, dsm::HolderSend>) {
            const auto* fetch = std::get_if<dsm::Fetch>(&e.message);
            if (fetch != nullptr && answer_here(*fetch)) return;
            std::visit([&](auto& m) { send(e.to, std::move(m)); }, e.message);
          } else if constexpr (std::is_same_v<E, dsm::DroppedGroup>) {
            send(e.primary, commit::Dropped{e.group, groups.find(e.group)->epoch});
          } else if constexpr (std::is_same_v<E, dsm::ReserveCommit>) {
            committer.reserve(e.home, e.id);
          } else if constexpr (std::is_same_v<E, dsm::SubmitCommit>) {
            committer.submit(e.home, e.id, std::move(e.change), committer_out);
          } else if constexpr (std::is_same_v<E, dsm::DropCommit>) {
            committer.forget(e.id);
          } else {
            out->push_back(std::move(e));
          }
        },
        effect);
  }
}

void Node::Machines::route(const commit::Settled& e) {
  holder.commit_settled(
      {e.ino, e.id, e.settlement.version, e.settlement.pages, e.settlement.header, e.done}, now,
      holder_out);
}

void Node::Machines::route_committer() {
  commit::CommitterEffects effects;
  effects.swap(committer_out);
  for (auto& effect : effects) {
    std::visit(
        [&](auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, commit::CommitterSend>) {
            send(e.to, std::move(e.message));
          } else if constexpr (std::is_same_v<E, commit::Settled>) {
            route(e);
          } else if constexpr (std::is_same_v<E, commit::Returned>) {
            holder.commit_returned(e.ino, e.id, e.reason, e.header, now, holder_out);
          } else {
            holder.commit_lost(e.ino, e.id, now, holder_out);
          }
        },
        effect);
  }
}

// Door 3: who has older copies is told; the group hears whether anybody had.
void Node::Machines::route(Member& member, const Published& record) {
  if (member.directory->published(record, directory_out)) {
    member.group->settled(record.id, member.out);
  } else {
    member.group->unsettled(record.id, member.out);
  }
}

void Node::Machines::route_group(Member& member) {
  commit::GroupEffects effects;
  effects.swap(member.out);
  for (auto& effect : effects) {
    std::visit(
        [&](auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, commit::GroupSend>) {
            std::visit([&](auto& m) { send(e.to, std::move(m)); }, e.message);
          } else if constexpr (std::is_same_v<E, commit::AppendRecord>) {
            out->push_back(WriteLog{member.group->id(), std::move(e.record), e.decided});
          } else if constexpr (std::is_same_v<E, commit::SharerReported>) {
            member.directory->reported(e.node, e.copy);
          } else if constexpr (std::is_same_v<E, Published>) {
            route(member, e);
          } else {
            for (auto& [from, message] : std::exchange(member.unopened, {})) take(from, message);
          }
        },
        effect);
  }
}

void Node::Machines::route_directory() {
  dsm::DirectorySends effects;
  effects.swap(directory_out);
  for (auto& effect : effects) {
    std::visit([&](auto& m) { send(effect.to, std::move(m)); }, effect.message);
  }
}

void Node::Machines::settle() {
  const auto busy = [](const auto& entry) { return !entry.second.out.empty(); };
  while (!holder_out.empty() || !committer_out.empty() || !directory_out.empty() ||
         !to_self.empty() || std::any_of(members.begin(), members.end(), busy)) {
    route_holder();
    route_committer();
    for (auto& [id, member] : members) route_group(member);
    route_directory();
    if (!to_self.empty()) {
      const Message message = std::move(to_self.front());
      to_self.pop_front();
      take(options.self, message);
    }
  }
}

Node::Node(NodeOptions options) : machines_(std::make_unique<Machines>(std::move(options))) {}
Node::~Node() = default;

void Node::step(const NodeEvent& event, Time now, NodeEffects& effects) {
  machines_->now = now;
  machines_->out = &effects;
  std::visit([&](const auto& e) { machines_->on(e); }, event);
  machines_->settle();
}

Time Node::next_deadline() const {
  Time next = machines_->holder.next_deadline();
  for (const auto& [id, member] : machines_->members) {
    next = std::min(next, member.group->next_deadline());
  }
  return next;
}
bool Node::owed() const { return machines_->holder.owed(); }

NodeCounters Node::counters() const {
  const dsm::HolderCounters h = machines_->holder.counters();
  return {h.fetches,
          h.refetches,
          h.commits,
          h.refused,
          h.invalidations,
          h.rewrites,
          h.kept_pages,
          h.timeouts,
          machines_->stale_epochs,
          h.poisoned,
          machines_->local_reads};
}

std::optional<ObjectStatus> Node::object(Ino ino) const {
  const dsm::ObjectState* state = machines_->holder.find(ino);
  if (state == nullptr) return std::nullopt;
  ObjectStatus status;
  status.ino = ino;
  status.home = state->home;
  status.size = state->header.size;
  status.told = state->told;
  status.staged_bytes = state->staged.byte_count();
  if (state->frozen) status.staged_bytes += state->frozen->stage.byte_count();
  for (const auto& [number, page] : state->pages) {
    status.twins += page.twin != nullptr;
    status.cached_pages += page.copy;
  }
  status.opens = state->opens;
  status.writable_opens = state->writable_opens;
  status.commits_in_flight = std::uint32_t(state->settling.size());
  status.version = state->header.version;
  status.generation = state->header.generation;
  return status;
}

std::vector<Ino> Node::objects() const { return machines_->holder.objects(); }

std::vector<GroupStatus> Node::group_status() const {
  std::vector<GroupStatus> all;
  for (const auto& [id, view] : machines_->groups.all()) {
    GroupStatus& status =
        all.emplace_back(GroupStatus{id, view.epoch, view.primary, false, {}, {}, {}, {}});
    const auto member = machines_->members.find(id);
    if (member == machines_->members.end()) continue;
    const commit::Group& group = *member->second.group;
    status.member = true;
    status.last = group.replica().last();
    status.applied = group.replica().applied();
    status.trimmed = group.replica().trimmed();
    status.trouble = group.trouble();
  }
  return all;
}

std::vector<commit::GroupState> Node::group_states() const {
  std::vector<commit::GroupState> all;
  for (const auto& [id, member] : machines_->members) {
    const commit::Replica& replica = member.group->replica();
    all.push_back({id, replica.applied(), replica.outcomes().table()});
  }
  return all;
}

const commit::Group* Node::group(GroupId id) const {
  const auto member = machines_->members.find(id);
  return member == machines_->members.end() ? nullptr : member->second.group.get();
}

void Node::check_invariants() const {
  machines_->holder.check_invariants();
  for (const auto& [id, member] : machines_->members) {
    member.group->check_invariants();
    if (member.directory) member.directory->check_invariants();
  }
}

}  // namespace dspm::fs
