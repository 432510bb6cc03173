#include "commit/primary.h"

#include <algorithm>
#include <utility>

#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::commit {

Primary::Primary(Options options, Replica& replica)
    : options_(std::move(options)), replica_(replica) {
  for (const NodeId node : options_.backups) members_[node];
}

// ---- commits

void Primary::tell(const CommitId& id, const Outcome& outcome, bool done, GroupEffects& out) {
  if (done) {
    out.push_back(GroupSend{
        id.node, Done{options_.group, options_.epoch, outcome.ino, id, outcome.settlement}});
  } else if (!planted(Planted::no_decided)) {
    out.push_back(GroupSend{
        id.node, Decided{options_.group, options_.epoch, outcome.ino, id, outcome.settlement}});
  }
}

void Primary::refuse(NodeId to, const Commit& message, Status reason, GroupEffects& out) {
  const Ino ino = message.change.ino;
  out.push_back(GroupSend{to, Refused{options_.group, options_.epoch, ino, message.id,
                                      message.attempt, reason, replica_.frames().header(ino)}});
}

void Primary::forget_below(const Commit& message) {
  replica_.outcomes().forget_below(message.id.node, message.id.incarnation, message.done_below);
  const CommitId first{message.id.node, message.id.incarnation, 0};
  CommitId end = message.id;
  end.sequence = std::min(end.sequence, message.done_below);
  outcomes_.erase(outcomes_.lower_bound(first), outcomes_.lower_bound(end));
  // Who has begun a new life has nothing to ask of the old ones.
  for (auto it = outcomes_.lower_bound({message.id.node, Incarnation(), 0});
       it != outcomes_.end() && it->first < first;) {
    const Stage stage = it->second.stage;
    it = stage == Stage::settled || stage == Stage::refused ? outcomes_.erase(it) : std::next(it);
  }
}

// [C7] [2.3] The id's outcome comes before any check. True: there is nothing to order.
bool Primary::answer_again(NodeId from, const Commit& message, GroupEffects& out) {
  forget_below(message);
  if (replica_.outcomes().forgotten(message.id)) return true;
  const auto known =
      planted(Planted::outcome_forgotten) ? outcomes_.end() : outcomes_.find(message.id);
  if (known == outcomes_.end()) {
    const Lsn lsn = replica_.outcomes().find(message.id);
    if (lsn && !planted(Planted::outcome_forgotten)) {  // decided in an earlier life of this group
      Outcome& outcome = outcomes_[message.id];
      outcome = {Stage::settled, message.attempt, message.change.ino, {lsn, {}, {}}};
      settled(message.id, out);
      return true;
    }
    if (!message.was_decided) return false;
    refuse(from, message, Status::unknown, out);
    return true;
  }
  switch (known->second.stage) {
    case Stage::ordered:
      return true;  // its answer is on the way
    case Stage::published:
      tell(message.id, known->second, false, out);
      return true;
    case Stage::settled:
      settled(message.id, out);
      return true;
    case Stage::refused:
      break;
  }
  if (message.attempt > known->second.attempt)
    return false;  // [A16] a later one, after the refusal
  refuse(from, message, Status::gone, out);
  return true;
}

// [M1] A commit that comes again while it waits takes its own place.
void Primary::hold(std::vector<Held>& queue, Held held) {
  const auto same = std::find_if(queue.begin(), queue.end(),
                                 [&](const Held& h) { return h.message.id == held.message.id; });
  if (same == queue.end()) {
    queue.push_back(std::move(held));
  } else {
    held.behind = same->behind;
    *same = std::move(held);
  }
}

Ordered& Primary::ordered(Ino ino) {
  const auto [it, fresh] = ordered_.try_emplace(ino);
  if (fresh) it->second = {replica_.frames().header(ino), replica_.frames().times(ino), 0};
  return it->second;
}

void Primary::commit(NodeId from, Commit message, GroupEffects& out) {
  DSPM_CHECK(open());
  const auto busy = ordered_.find(message.change.ino);
  const Lsn behind = busy == ordered_.end() ? Lsn() : busy->second.last;
  admit(from, std::move(message), behind, out);
}

// `behind`: the last record of the object that was ordered when it came.
void Primary::admit(NodeId from, Commit message, Lsn behind, GroupEffects& out) {
  if (answer_again(from, message, out)) return;
  const Ino ino = message.change.ino;
  Ordered& ordered = this->ordered(ino);
  const bool good = acceptable(message.change, ordered);
  if (!good && behind > replica_.applied()) {
    // A refusal names what the next attempt rests on, so what was ordered before must be decided;
    // what came since need not be, else an object that is always busy would refuse nobody.
    return hold(held_, {from, std::move(message), behind});
  }
  const Status space = good ? room(message.change) : Status::gone;
  if (space == Status::busy) {  // [P10] until something has been trimmed everywhere
    if (ordered.undecided == 0) ordered_.erase(ino);
    return hold(wait_room_, {from, std::move(message), {}});
  }
  Outcome& outcome = outcomes_[message.id];
  outcome = {Stage::refused, message.attempt, ino, {}};
  if (space != Status::ok) {
    if (ordered.undecided == 0) ordered_.erase(ino);
    return refuse(from, message, space, out);
  }
  outcome.stage = Stage::ordered;
  ++ordered.undecided;
  const Lsn lsn(options_.epoch, replica_.last().sequence() + 1);  // [P6]
  ordered.last = lsn;
  beside_[lsn] = {std::move(message.change.unread_copies), !message.change.times,
                  message.change.set_size.has_value()};
  const auto learnt = learnt_.find(ino);
  auto record = std::make_shared<Record>(
      order(std::move(message.change), lsn, learnt == learnt_.end() ? Generation() : learnt->second,
            ordered));
  record->previous = replica_.last();
  record->id = message.id;
  record->attempt = message.attempt;
  record->done_below = message.done_below;
  count(*record);
  replica_.append(std::move(record), out);
  stream_all(out);
}

// ---- replication

void Primary::stream_all(GroupEffects& out) {
  for (auto& [node, member] : members_) {
    if (member.streaming) stream(node, member, out);
  }
}

// [C2] Everything the member has not been sent, in order; with it, what is decided.
void Primary::stream(NodeId node, Member& member, GroupEffects& out) {
  Append message{options_.group, options_.epoch, {}, replica_.applied(), {}, false};
  std::size_t bytes = 0;
  const auto leave = [&] {
    member.told = message.decided;
    out.push_back(GroupSend{node, message});
    message.records.clear();
    bytes = 0;
  };
  for (std::uint64_t s = member.sent.sequence() + 1; s <= replica_.last().sequence(); ++s) {
    RecordRef record = replica_.record(s);
    if (record == nullptr) return;  // trimmed here, never there: its pool must be rebuilt
    if (message.records.empty()) message.previous = record->previous;
    member.sent = record->lsn;
    bytes += record_bytes(*record);
    message.records.push_back(std::move(record));
    if (bytes >= kMaxAppendBytes) leave();
  }
  if (!message.records.empty()) leave();
}

void Primary::append_ack(NodeId from, const AppendAck& message, Time now, GroupEffects& out) {
  const auto it = members_.find(from);
  if (it == members_.end() || message.matched > replica_.last()) return;
  Member& member = it->second;
  if (message.after > member.acked) {  // [A15] [E7] one before it, with copies, is still to come
    if (member.streaming) out.push_back(GroupSend{from, Collect{options_.group, options_.epoch}});
    return;
  }
  if (!planted(Planted::ack_without_copies)) {
    for (const KernelCopy& copy : message.copies) out.push_back(SharerReported{from, copy});
  }
  member.acked = std::max(member.acked, message.matched);
  if (message.trimmed > member.trimmed) {
    member.trimmed = message.trimmed;
    released(out);
  }
  decide(now, out);
}

// [C2] Decided: durable here and acknowledged by all. [C3] Then published, in order.
void Primary::decide(Time now, GroupEffects& out) {
  if (phase_ != Phase::viewing && phase_ != Phase::open) return;
  Lsn decided = replica_.durable();
  for (const auto& [node, member] : members_) {
    if (!planted(Planted::answer_before_ack)) decided = std::min(decided, member.acked);
  }
  if (phase_ == Phase::viewing && decided < view_) return;
  const bool opened = std::exchange(phase_, Phase::open) != Phase::open;
  const Lsn before = replica_.applied();
  while (replica_.applied() < decided) publish(out);
  if (opened) out.push_back(Opened{});
  if (replica_.applied() == before) return;
  if (!members_.empty()) tell_at_ = std::min(tell_at_, now + kTellDecided);
  retry_held(out);
}

void Primary::publish(GroupEffects& out) {
  const RecordRef held = replica_.record(replica_.applied().sequence() + 1);
  const Record& record = *held;
  Folded folded = replica_.apply_next();
  if (record.kind != RecordKind::write) return;
  const auto beside = beside_.find(record.lsn);
  if (options_.observer) {
    options_.observer(record, beside != beside_.end() && beside->second.sets_size);
  }
  Outcome& outcome = outcomes_[record.id];
  DSPM_CHECK(outcome.stage == Stage::ordered, record.id);
  outcome.stage = Stage::published;
  const bool header_changed = record.header.version == record.lsn;
  Published published{record.ino, record.id,      record.lsn, {},           {},
                      record.cut, header_changed, false,      record.header};
  outcome.settlement.version = record.lsn;
  if (beside != beside_.end()) {  // else of an earlier epoch: nobody has a copy from before it [L5]
    outcome.settlement.pages = folded.pages;
    outcome.settlement.header = record.header;
    published.unread_copies = std::move(beside->second.unread_copies);
    published.waits_for_header = !header_changed && beside->second.waits_for_header;
    beside_.erase(beside);
    const auto ordered = ordered_.find(record.ino);
    if (--ordered->second.undecided == 0) ordered_.erase(ordered);
  }
  published.pages = std::move(folded.pages);
  out.push_back(std::move(published));
}

void Primary::retry_held(GroupEffects& out) {
  for (Held& held : std::exchange(held_, {})) {
    if (held.behind > replica_.applied()) {
      held_.push_back(std::move(held));
    } else {
      admit(held.from, std::move(held.message), held.behind, out);
    }
  }
}

void Primary::settled(const CommitId& id, GroupEffects& out) {
  const auto it = outcomes_.find(id);
  if (it == outcomes_.end()) return;
  Outcome& outcome = it->second;
  outcome.stage = Stage::settled;
  if (!options_.live.empty() && !planted(Planted::done_before_dropped)) {  // [L5] (5)
    if (std::find(undropped_.begin(), undropped_.end(), id) == undropped_.end()) {
      undropped_.push_back(id);
    }
    return tell(id, outcome, false, out);
  }
  tell(id, outcome, true, out);
  const Header& header = outcome.settlement.header;
  if (header.version != outcome.settlement.version || header.cuts.empty()) return;
  Generation& learnt = learnt_[outcome.ino];
  learnt = std::max(learnt, header.generation);
}

void Primary::unsettled(const CommitId& id, GroupEffects& out) {
  const auto outcome = outcomes_.find(id);
  if (outcome != outcomes_.end()) tell(id, outcome->second, false, out);
}

// ---- pool and time

void Primary::durable(Time now, GroupEffects& out) { decide(now, out); }

void Primary::tick(Time now, GroupEffects& out) {
  if (!wait_room_.empty() && now >= retry_at_) {
    retry_at_ = now + kRetryRoom;
    retry_room(out);
    if (!wait_room_.empty()) ask_for_space(out);
  }
  if (now < tell_at_) return;
  tell_at_ = kNever;
  for (auto& [node, member] : members_) {
    if (member.streaming && member.told < replica_.applied())
      tell_decided(node, member, false, out);
  }
}

void Primary::tell_decided(NodeId node, Member& member, bool wants_space, GroupEffects& out) {
  member.told = replica_.applied();
  out.push_back(GroupSend{
      node, Append{options_.group, options_.epoch, member.sent, member.told, {}, wants_space}});
}

void Primary::check_invariants() const {
  replica_.check_invariants();
  for (const auto& [node, member] : members_) {
    DSPM_CHECK(phase_ != Phase::open || !member.streaming || replica_.applied() <= member.acked ||
                   planted(Planted::answer_before_ack),
               node, replica_.applied(), member.acked);
  }
  for (const auto& [ino, ordered] : ordered_) DSPM_CHECK(ordered.undecided > 0, ino);
}

}  // namespace dspm::commit
