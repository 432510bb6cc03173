// [L5] [L8] How the own group begins again: collect, fetch what is missing, View, Drop.
#include <algorithm>

#include "commit/primary.h"
#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::commit {
namespace {

Lsn last_of(const Position& position) {
  if (position.runs.empty()) return position.applied;
  const RecordRun& run = position.runs.back();
  return Lsn(run.first.epoch(), run.first.sequence() + run.count - 1);
}

// The LSN that a member holds at this place; 0 = none.
Lsn at(const Position& position, std::uint64_t sequence) {
  if (sequence == position.applied.sequence()) return position.applied;
  for (const RecordRun& run : position.runs) {
    const std::uint64_t first = run.first.sequence();
    if (sequence >= first && sequence - first < run.count) return Lsn(run.first.epoch(), sequence);
  }
  return {};
}

}  // namespace

void Primary::start(Time now, GroupEffects& out) {
  // [A5] The tail that came back from the own log is decided with the View.
  for (std::uint64_t s = replica_.applied().sequence() + 1; s <= replica_.last().sequence(); ++s) {
    const RecordRef record = replica_.record(s);
    count(*record);
    if (record->kind != RecordKind::write) continue;
    outcomes_[record->id] = {Stage::ordered, record->attempt, record->ino, {}};
  }
  choose(now, out);
}

void Primary::peer_up(NodeId node, Incarnation incarnation, GroupEffects& out) {
  const auto member = members_.find(node);
  if (member != members_.end()) {
    Member& m = member->second;
    if (m.life != incarnation) {  // [E8] what its older lives said is void
      m = Member();
      m.life = incarnation;
    }
    m.streaming = false;
    m.position.reset();
    if (phase_ == Phase::pulling && pulling_from_ == node) phase_ = Phase::gathering;
    out.push_back(GroupSend{node, Collect{options_.group, options_.epoch}});
  }
  const auto owing = options_.live.find(node);
  if (owing == options_.live.end()) return;
  if (owing->second != incarnation) {
    dropped_by(node, out);  // a fresh mount has nothing
  } else {
    out.push_back(GroupSend{node, Drop{options_.group, options_.epoch}});
  }
}

void Primary::dropped(NodeId from, GroupEffects& out) { dropped_by(from, out); }

void Primary::dropped_by(NodeId node, GroupEffects& out) {
  if (options_.live.erase(node) == 0 || !options_.live.empty()) return;
  for (const CommitId& id : std::exchange(undropped_, {})) {
    const auto outcome = outcomes_.find(id);
    if (outcome != outcomes_.end()) tell(id, outcome->second, true, out);
  }
}

// The highest place at which that member has what we have.
Lsn Primary::common(const Position& position) const {
  std::uint64_t s = std::min(last_of(position).sequence(), replica_.last().sequence());
  for (; s > 0; --s) {
    const Lsn ours = replica_.at(s);
    if (!ours) break;
    if (ours == at(position, s)) return ours;
    if (s <= position.applied.sequence()) break;
  }
  return std::min(position.applied, replica_.applied());  // decided: the same everywhere
}

void Primary::position(NodeId from, const Position& message, Time now, GroupEffects& out) {
  const auto it = members_.find(from);
  if (it == members_.end()) return;
  Member& member = it->second;
  member.position = message;
  member.space = message.space;
  if (!planted(Planted::ack_without_copies)) {
    for (const KernelCopy& copy : message.copies) out.push_back(SharerReported{from, copy});
  }
  if (phase_ == Phase::gathering) return choose(now, out);
  if (phase_ == Phase::pulling) return;
  begin_stream(member, from, out);
  decide(now, out);
}

// [E2] The log that goes furthest has every decided record; what we lack of it is fetched.
void Primary::choose(Time now, GroupEffects& out) {
  const Position* best = nullptr;
  NodeId whose;
  for (const auto& [node, member] : members_) {
    if (!member.position) return;  // own group after a restart: all must answer
    if (best == nullptr || last_of(*member.position) > last_of(*best)) {
      best = &*member.position;
      whose = node;
    }
  }
  if (best != nullptr && last_of(*best) > replica_.last() && !planted(Planted::nothing_fetched)) {
    phase_ = Phase::pulling;
    pulling_from_ = whose;
    out.push_back(GroupSend{whose, Pull{options_.group, options_.epoch, common(*best)}});
    return;
  }
  view(now, out);
}

void Primary::pulled(NodeId from, const Pulled& message, Time now, GroupEffects& out) {
  if (phase_ != Phase::pulling || from != pulling_from_) return;
  for (const RecordRef& record : message.records) {
    const std::uint64_t place = record->lsn.sequence();
    if (replica_.at(place) == record->lsn) continue;  // [B8]
    if (place <= replica_.applied().sequence() || replica_.at(place - 1) != record->previous) break;
    while (replica_.last().sequence() >= place) {
      const RecordRef cut = replica_.record(replica_.last().sequence());
      outcomes_.erase(cut->id);
      replica_.cut_behind(replica_.last().sequence() - 1);
    }
    replica_.append(record, out);
    count(*record);
    if (record->kind == RecordKind::write) {
      outcomes_[record->id] = {Stage::ordered, record->attempt, record->ino, {}};
    }
  }
  if (!message.last) return;
  phase_ = Phase::gathering;
  const auto member = members_.find(from);
  // Its log gave nothing that ours lacks, although it said so: it was cut meanwhile, ask again.
  if (member->second.position && last_of(*member->second.position) > replica_.last()) {
    member->second.position.reset();
    out.push_back(GroupSend{from, Collect{options_.group, options_.epoch}});
    return;
  }
  choose(now, out);
}

// [A5] [A6] Appended behind all that was found; whoever differs is sent to from the first
// difference.
void Primary::view(Time now, GroupEffects& out) {
  auto record = std::make_shared<Record>();
  record->kind = RecordKind::view;
  record->previous = replica_.last();
  record->lsn = view_ = Lsn(options_.epoch, replica_.last().sequence() + 1);
  DSPM_CHECK(view_ > record->previous, view_, record->previous);  // [P6] [A11]
  phase_ = Phase::viewing;
  count(*record);
  replica_.append(std::move(record), out);
  for (auto& [node, member] : members_) begin_stream(member, node, out);
  decide(now, out);
}

void Primary::begin_stream(Member& member, NodeId node, GroupEffects& out) {
  if (!member.position) return;
  member.streaming = true;
  member.sent = common(*member.position);
  member.acked = std::max(member.acked, member.sent);  // [E7]
  member.told = Lsn();
  member.trimmed = std::max(member.trimmed, std::min(member.position->applied, member.sent));
  stream(node, member, out);
  if (member.told < replica_.applied()) tell_decided(node, member, false, out);
}

std::string Primary::waiting_for() const {
  std::string nodes;
  const auto add = [&](NodeId node) {
    nodes += (nodes.empty() ? "n" : ", n") + std::to_string(node.value);
  };
  switch (phase_) {
    case Phase::open:
      return "";
    case Phase::gathering:
      for (const auto& [node, member] : members_)
        if (!member.position) add(node);
      return "the logs of " + nodes;
    case Phase::pulling:
      add(pulling_from_);
      return "records that only " + nodes + " has";
    case Phase::viewing:
      for (const auto& [node, member] : members_)
        if (member.acked < view_) add(node);
      return nodes.empty() ? "the own log" : "the acknowledgement of " + nodes;
  }
  return "";
}

}  // namespace dspm::commit
