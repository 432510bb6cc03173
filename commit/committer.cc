#include "commit/committer.h"

#include <algorithm>

#include "utils/base/planted.h"

namespace dspm::commit {

// [C7] Every id of this node below it is Done in `group`: its outcome may be forgotten there.
std::uint64_t Committer::done_below(GroupId group, const CommitId& id) const {
  std::uint64_t below = id.sequence;
  for (const auto& [other, flight] : flights_) {
    if (flight.home == group) below = std::min(below, other.sequence);
  }
  return below;
}

void Committer::send(const CommitId& id, const Flight& flight, CommitterEffects& out) const {
  const GroupView* group = groups_.find(flight.home);
  if (group == nullptr) return;  // group_learnt() sends it
  out.push_back(CommitterSend{group->primary,
                              Commit{flight.home, group->epoch, id, flight.attempt,
                                     done_below(flight.home, id), flight.decided, flight.change}});
}

void Committer::reserve(GroupId home, const CommitId& id) {
  Flight& flight = flights_[id];
  flight.home = home;
  flight.returned = true;
}

void Committer::submit(GroupId home, const CommitId& id, Change change, CommitterEffects& out) {
  Flight& flight = flights_[id];
  flight.home = home;
  flight.ino = change.ino;
  flight.change = std::move(change);
  flight.returned = false;
  ++flight.attempt;
  send(id, flight, out);
}

void Committer::forget(const CommitId& id) { flights_.erase(id); }

Committer::Flight* Committer::current(GroupId group, Epoch epoch, const CommitId& id) {
  const auto it = flights_.find(id);
  if (it == flights_.end() || it->second.home != group) return nullptr;
  const GroupView* view = groups_.find(group);
  return view != nullptr && view->epoch == epoch ? &it->second : nullptr;
}

void Committer::decided(const Decided& message, CommitterEffects& out) {
  Flight* flight = current(message.group, message.epoch, message.id);
  if (flight == nullptr || flight->decided) return;
  flight->decided = true;
  flight->change = Change{};
  flight->change.ino = message.ino;
  out.push_back(Settled{message.ino, message.id, message.settlement, false});
}

void Committer::done(const Done& message, CommitterEffects& out) {
  if (current(message.group, message.epoch, message.id) == nullptr) return;
  flights_.erase(message.id);
  out.push_back(Settled{message.ino, message.id, message.settlement, true});
}

void Committer::refused(const Refused& message, CommitterEffects& out) {
  Flight* flight = current(message.group, message.epoch, message.id);
  if (flight == nullptr || flight->returned || flight->attempt != message.attempt) return;
  if (flight->decided) {
    if (message.reason != Status::unknown) return;
    flights_.erase(message.id);
    out.push_back(Lost{message.ino, message.id});
    return;
  }
  flight->returned = true;
  out.push_back(Returned{message.ino, message.id, message.reason, message.header});
}

void Committer::peer_up(NodeId peer, CommitterEffects& out) {
  if (planted(Planted::no_resend)) return;
  for (const auto& [id, flight] : flights_) {
    const GroupView* group = groups_.find(flight.home);
    if (group != nullptr && group->primary == peer && !flight.returned) send(id, flight, out);
  }
}

void Committer::group_learnt(GroupId group, CommitterEffects& out) {
  for (auto it = flights_.begin(); it != flights_.end();) {
    Flight& flight = it->second;
    if (flight.home != group || flight.returned) {
      ++it;
    } else {
      send(it->first, flight, out);
      ++it;
    }
  }
}

bool Committer::undecided() const {
  return std::any_of(flights_.begin(), flights_.end(),
                     [](const auto& f) { return !f.second.decided && !f.second.returned; });
}

}  // namespace dspm::commit
