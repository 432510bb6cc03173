#include "commit/group.h"

#include <algorithm>
#include <utility>

namespace dspm::commit {

Group::Group(GroupId id, NodeId self, ReplicaState state, const KernelCopies& kernel,
             Observer observer)
    : id_(id),
      self_(self),
      replica_(std::move(state)),
      kernel_(kernel),
      observer_(std::move(observer)) {}

void Group::begin(const Membership& membership, Time now, GroupEffects& out) {
  epoch_ = membership.epoch;
  if (membership.primary != self_) {
    role_.emplace<Backup>(id_, epoch_, membership.primary, replica_, kernel_);
    return;
  }
  Primary::Options options{id_, epoch_, {}, membership.live, observer_};
  for (const NodeId node : membership.members) {
    if (node != self_) options.backups.push_back(node);
  }
  options.live.erase(self_);
  role_.emplace<Primary>(std::move(options), replica_).start(now, out);
}

void Group::commit(NodeId from, Commit message, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_); primary != nullptr && primary->open()) {
    primary->commit(from, std::move(message), out);
  }
}

void Group::take(NodeId from, const Collect&, Time, GroupEffects& out) {
  const auto* backup = std::get_if<Backup>(&role_);
  if (backup != nullptr && backup->primary() == from) backup->collect(out);
}
void Group::take(NodeId from, const Pull& message, Time, GroupEffects& out) {
  const auto* backup = std::get_if<Backup>(&role_);
  if (backup != nullptr && backup->primary() == from) backup->pull(message, out);
}
void Group::take(NodeId from, const Append& message, Time, GroupEffects& out) {
  auto* backup = std::get_if<Backup>(&role_);
  if (backup != nullptr && backup->primary() == from) backup->append(message, out);
}
void Group::take(NodeId from, const Position& message, Time now, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->position(from, message, now, out);
}
void Group::take(NodeId from, const Pulled& message, Time now, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->pulled(from, message, now, out);
}
void Group::take(NodeId from, const AppendAck& message, Time now, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->append_ack(from, message, now, out);
}
void Group::take(NodeId from, const Dropped&, Time, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->dropped(from, out);
}

void Group::peer_up(NodeId node, Incarnation incarnation, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->peer_up(node, incarnation, out);
}
void Group::settled(const CommitId& id, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->settled(id, out);
}
void Group::unsettled(const CommitId& id, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->unsettled(id, out);
}

void Group::durable(Lsn lsn, Time now, GroupEffects& out) {
  replica_.durable(lsn);
  if (auto* primary = std::get_if<Primary>(&role_)) primary->durable(now, out);
  if (auto* backup = std::get_if<Backup>(&role_)) backup->durable(out);
}
void Group::trimmed(Lsn lsn, GroupEffects& out) {
  replica_.trim(lsn);
  if (auto* primary = std::get_if<Primary>(&role_)) primary->trimmed(out);
  if (auto* backup = std::get_if<Backup>(&role_)) backup->trimmed(out);
}

void Group::tick(Time now, GroupEffects& out) {
  if (auto* primary = std::get_if<Primary>(&role_)) primary->tick(now, out);
}
Time Group::next_deadline() const {
  const auto* primary = std::get_if<Primary>(&role_);
  return primary == nullptr ? kNever : primary->next_deadline();
}

bool Group::may_read(Ino ino) const {
  const auto* backup = std::get_if<Backup>(&role_);
  return backup != nullptr && backup->may_read(ino);
}
bool Group::open() const {
  const auto* primary = std::get_if<Primary>(&role_);
  return primary != nullptr && primary->open();
}

std::string Group::trouble() const {
  if (const auto* primary = std::get_if<Primary>(&role_)) {
    return primary->open() ? "" : "waits for " + primary->waiting_for();
  }
  const auto* backup = std::get_if<Backup>(&role_);
  return backup == nullptr ? "has not heard of its primary" : backup->fault();
}

void Group::check_invariants() const {
  replica_.check_invariants();
  if (const auto* primary = std::get_if<Primary>(&role_)) primary->check_invariants();
}

}  // namespace dspm::commit
