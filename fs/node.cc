#include "fs/node.h"

#include <deque>
#include <map>
#include <type_traits>

#include "commit/committer.h"
#include "commit/group.h"
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
        holder(options.self, options.incarnation, groups, options.answer_timeout),
        committer(options.self, groups) {}

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
  void on(const ObjectLearnt& e) { holder.object_learnt(e.ino, e.home); }
  void on(const LogDurable& e) {
    Outbox::Ready ready;
    outbox.durable(e.lsn, ready);
    for (auto& [to, message] : ready) leave(to, std::move(message));
    if (group) group->durable(e.lsn, group_out);
    route_group();
  }
  void on(const dsm::JobDone& e) {
    holder.job_done(e, now, holder_out);
    route_holder();
  }
  void on(const Tick&) {
    holder.tick(now, holder_out);
    route_holder();
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
  // [F2] Only the open primary answers.
  bool primary_of(GroupId id) const { return group && group->id() == id; }

  // ---- messages out
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
  void route_group();
  void route_directory();
  void route(const commit::Settled& e);
  void route(const Published& record);
  void settle();  // runs all routes until nothing is left

  NodeOptions options;
  GroupTable groups;
  dsm::Holder holder;
  commit::Committer committer;
  std::unique_ptr<commit::Group> group;  // the own one, once this node is its primary
  std::unique_ptr<dsm::Directory> directory;
  Outbox outbox;
  std::map<NodeId, Incarnation> lives;
  std::deque<std::pair<NodeId, Message>> early;  // [M2]
  std::deque<Message> to_self;
  std::uint64_t stale_epochs = 0;

  // of the running step
  Time now{};
  NodeEffects* out = nullptr;
  dsm::HolderEffects holder_out;
  dsm::DirectorySends directory_out;
  commit::CommitterEffects committer_out;
  commit::GroupEffects group_out;
};

void Node::Machines::on(const PeerUp& e) {
  Incarnation& life = lives[e.node];
  const bool new_life = life && life != e.incarnation;
  life = e.incarnation;
  if (new_life) {  // [P6] a new life knows nothing of the old one's memory
    for (const auto& [id, view] : groups.all()) {
      if (view.primary == e.node && view.incarnation != e.incarnation) {
        holder.group_reset(id, now, holder_out);
      }
    }
  }
  holder.peer_up(e.node, now, holder_out);
  committer.peer_up(e.node, committer_out);
  if (directory) directory->peer_up(e.node, e.incarnation, directory_out);
}

void Node::Machines::on(const GroupLearnt& e) {
  const GroupView* before = groups.find(e.group);
  const bool known = before != nullptr;
  if (!groups.learn(e.group, {e.epoch, e.primary, e.incarnation})) return;
  if (e.group == options.own_group && e.primary == options.self &&
      e.incarnation == options.incarnation) {
    group = std::make_unique<commit::Group>(e.group, e.epoch, options.on_publish);
    directory = std::make_unique<dsm::Directory>(e.group, e.epoch, *group);
    outbox.own_group(e.group);
    for (const auto& [node, life] : lives) directory->peer_up(node, life, directory_out);
  }
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
  if (primary_of(m.group)) directory->fetch(from, m, directory_out);
}
void Node::Machines::deliver(NodeId from, const dsm::FetchAttr& m) {
  if (primary_of(m.group)) directory->fetch_attr(from, m, directory_out);
}
void Node::Machines::deliver(NodeId from, const dsm::Invalidated& m) {
  if (!primary_of(m.group)) return;
  for (const CommitId& id : directory->invalidated(from, m)) group->settled(id, group_out);
}
void Node::Machines::deliver(NodeId from, const commit::Commit& m) {
  if (primary_of(m.group)) group->commit(from, m, group_out);
}

void Node::Machines::route_holder() {
  dsm::HolderEffects effects;
  effects.swap(holder_out);
  for (auto& effect : effects) {
    std::visit(
        [&](auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, dsm::HolderSend>) {
            std::visit([&](auto& m) { send(e.to, std::move(m)); }, e.message);
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
void Node::Machines::route(const Published& record) {
  if (directory->published(record, directory_out)) {
    group->settled(record.id, group_out);
  } else {
    group->unsettled(record.id, group_out);
  }
}

void Node::Machines::route_group() {
  commit::GroupEffects effects;
  effects.swap(group_out);
  for (auto& effect : effects) {
    std::visit(
        [&](auto& e) {
          using E = std::decay_t<decltype(e)>;
          if constexpr (std::is_same_v<E, commit::GroupSend>) {
            std::visit([&](auto& m) { send(e.to, std::move(m)); }, e.message);
          } else if constexpr (std::is_same_v<E, commit::AppendRecord>) {
            out->push_back(WriteLog{e.record->lsn});
          } else {
            route(e);
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
  while (!holder_out.empty() || !committer_out.empty() || !group_out.empty() ||
         !directory_out.empty() || !to_self.empty()) {
    route_holder();
    route_committer();
    route_group();
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

Time Node::next_deadline() const { return machines_->holder.next_deadline(); }
bool Node::owed() const { return machines_->holder.owed(); }

NodeCounters Node::counters() const {
  const dsm::HolderCounters h = machines_->holder.counters();
  return {h.fetches,    h.refetches,     h.commits,
          h.refused,    h.invalidations, h.rewrites,
          h.kept_pages, h.timeouts,      machines_->stale_epochs,
          h.poisoned};
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

void Node::check_invariants() const {
  machines_->holder.check_invariants();
  if (machines_->group) machines_->group->check_invariants();
  if (machines_->directory) machines_->directory->check_invariants();
}

}  // namespace dspm::fs
