#include "commit/group.h"

#include <algorithm>

#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::commit {

Group::Outcome* Group::find(const CommitId& id) {
  const auto committer = committers_.find({id.node, id.incarnation});
  if (committer == committers_.end()) return nullptr;
  const auto outcome = committer->second.outcomes.find(id.sequence);
  return outcome == committer->second.outcomes.end() ? nullptr : &outcome->second;
}

bool Group::contains(const CommitId& id) const {
  const Outcome* outcome = const_cast<Group*>(this)->find(id);
  return outcome != nullptr && outcome->stage >= Stage::published;
}

std::size_t Group::outcomes() const {
  std::size_t n = 0;
  for (const auto& [who, committer] : committers_) n += committer.outcomes.size();
  return n;
}

void Group::tell(const CommitId& id, const Outcome& outcome, bool done, GroupEffects& out) {
  if (done) {
    out.push_back(
        GroupSend{outcome.committer, Done{id_, epoch_, outcome.ino, id, outcome.settlement}});
  } else if (!planted(Planted::no_decided)) {
    out.push_back(
        GroupSend{outcome.committer, Decided{id_, epoch_, outcome.ino, id, outcome.settlement}});
  }
}

// [C7] [2.3] The id's outcome comes before any check. True: there is nothing to order.
bool Group::answer_again(NodeId from, const Commit& message, GroupEffects& out) {
  Committer& committer = committers_[{message.id.node, message.id.incarnation}];
  if (message.done_below > committer.forgotten_below) {
    committer.forgotten_below = message.done_below;
    committer.outcomes.erase(committer.outcomes.begin(),
                             committer.outcomes.lower_bound(message.done_below));
  }
  if (message.id.sequence < committer.forgotten_below) return true;  // Done long ago
  const Outcome* known = planted(Planted::outcome_forgotten) ? nullptr : find(message.id);
  if (known == nullptr) return false;
  switch (known->stage) {
    case Stage::ordered:
      return true;  // its answer is on the way
    case Stage::published:
      tell(message.id, *known, false, out);
      return true;
    case Stage::settled:
      tell(message.id, *known, true, out);
      return true;
    case Stage::refused:
      break;
  }
  if (message.attempt > known->attempt) return false;  // [A16] a later attempt, after the refusal
  out.push_back(
      GroupSend{from, Refused{id_, epoch_, message.change.ino, message.id, message.attempt,
                              Status::gone, frames_.header(message.change.ino)}});
  return true;
}

// [Z3] [Z4] Frozen under the present generation; a new size rests on the present one [1.3] [1.4].
bool Group::acceptable(const Change& change, const Ordered& ordered) const {
  if (planted(Planted::generation_not_checked)) return true;
  if (ordered.generation > change.generation) return false;
  return !change.set_size || change.believed_size == ordered.size;
}

void Group::commit(NodeId from, Commit message, GroupEffects& out) {
  if (answer_again(from, message, out)) return;
  const Ino ino = message.change.ino;
  const auto [it, fresh] = ordered_.try_emplace(ino);
  Ordered& ordered = it->second;
  if (fresh) {
    const Header header = frames_.header(ino);
    ordered = {header.size, header.generation, 0};
  }
  if (!acceptable(message.change, ordered) && ordered.undecided > 0) {
    // A refusal names what the next attempt rests on, so what was ordered before must be decided.
    held_.emplace_back(from, std::move(message));
    return;
  }
  Outcome& outcome =
      committers_[{message.id.node, message.id.incarnation}].outcomes[message.id.sequence];
  outcome = {Stage::refused, message.attempt, from, ino, {}};
  if (!acceptable(message.change, ordered)) {
    out.push_back(GroupSend{from, Refused{id_, epoch_, ino, message.id, message.attempt,
                                          Status::gone, frames_.header(ino)}});
    if (ordered.undecided == 0) ordered_.erase(it);
    return;
  }
  outcome.stage = Stage::ordered;
  ordered.generation = std::max(ordered.generation, message.change.generation);
  ordered.size = std::max(ordered.size, message.change.grow_to);
  if (message.change.set_size) {
    if (*message.change.set_size < ordered.size) {
      ordered.generation = Generation(ordered.generation.value + 1);
    }
    ordered.size = *message.change.set_size;
  }
  ++ordered.undecided;
  const Lsn lsn(epoch_, ++sequence_);  // [P6]
  log_.push_back({lsn, std::move(message)});
  out.push_back(AppendRecord{lsn});
}

void Group::publish(Record& record, GroupEffects& out) {
  const Change& change = record.commit.change;
  Folded folded = frames_.fold(change, record.lsn);
  const auto ordered = ordered_.find(change.ino);
  if (--ordered->second.undecided == 0) ordered_.erase(ordered);
  if (observer_) observer_(record.commit, record.lsn);
  Outcome* outcome = find(record.commit.id);
  DSPM_CHECK(outcome != nullptr && outcome->stage == Stage::ordered, record.commit.id);
  outcome->stage = Stage::published;
  outcome->settlement = {record.lsn, folded.pages, frames_.header(change.ino)};
  out.push_back(Published{change.ino, record.commit.id, record.lsn, std::move(folded.pages),
                          change.unread_copies, folded.cut_from, folded.header_changed,
                          !folded.header_changed && !change.times, outcome->settlement.header});
}

void Group::durable(Lsn lsn, GroupEffects& out) {
  while (!log_.empty() && log_.front().lsn <= lsn) {
    publish(log_.front(), out);
    log_.pop_front();
  }
  auto held = std::move(held_);
  held_.clear();
  for (auto& [from, message] : held) commit(from, std::move(message), out);
}

void Group::settled(const CommitId& id, GroupEffects& out) {
  Outcome* outcome = find(id);
  if (outcome == nullptr) return;
  outcome->stage = Stage::settled;
  tell(id, *outcome, true, out);
}

void Group::unsettled(const CommitId& id, GroupEffects& out) {
  if (const Outcome* outcome = find(id)) tell(id, *outcome, false, out);
}

void Group::check_invariants() const {
  Lsn last;
  for (const Record& record : log_) {
    DSPM_CHECK(record.lsn > last && record.lsn.epoch() == epoch_, record.lsn);
    last = record.lsn;
  }
}

}  // namespace dspm::commit
