#include "commit/group.h"

#include <algorithm>
#include <utility>

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

Ordered& Group::ordered(Ino ino) {
  const auto [it, fresh] = ordered_.try_emplace(ino);
  if (fresh) it->second = {frames_.header(ino), frames_.times(ino), 0};
  return it->second;
}

void Group::commit(NodeId from, Commit message, GroupEffects& out) {
  if (answer_again(from, message, out)) return;
  const Ino ino = message.change.ino;
  Ordered& ordered = this->ordered(ino);
  const bool good = acceptable(message.change, ordered);
  if (!good && ordered.undecided > 0) {
    // A refusal names what the next attempt rests on, so what was ordered before must be decided.
    held_.emplace_back(from, std::move(message));
    return;
  }
  Outcome& outcome =
      committers_[{message.id.node, message.id.incarnation}].outcomes[message.id.sequence];
  outcome = {Stage::refused, message.attempt, from, ino, {}};
  if (!good) {
    ordered_.erase(ino);
    out.push_back(GroupSend{from, Refused{id_, epoch_, ino, message.id, message.attempt,
                                          Status::gone, frames_.header(ino)}});
    return;
  }
  outcome.stage = Stage::ordered;
  ++ordered.undecided;
  Undecided undecided{nullptr, std::move(message.change.unread_copies), !message.change.times,
                      message.change.set_size.has_value()};
  const Lsn lsn(epoch_, last_.sequence() + 1);  // [P6]
  const auto learnt = learnt_.find(ino);
  auto record = std::make_shared<Record>(
      order(std::move(message.change), lsn, learnt == learnt_.end() ? Generation() : learnt->second,
            ordered));
  record->previous = std::exchange(last_, lsn);
  record->id = message.id;
  record->attempt = message.attempt;
  record->done_below = message.done_below;
  undecided.record = record;
  log_.push_back(std::move(undecided));
  out.push_back(AppendRecord{std::move(record), published_});
}

void Group::publish(Undecided& undecided, GroupEffects& out) {
  const Record& record = *undecided.record;
  Folded folded = frames_.fold(record);
  published_ = record.lsn;
  const auto ordered = ordered_.find(record.ino);
  if (--ordered->second.undecided == 0) ordered_.erase(ordered);
  if (observer_) observer_(record, undecided.sets_size);
  Outcome* outcome = find(record.id);
  DSPM_CHECK(outcome != nullptr && outcome->stage == Stage::ordered, record.id);
  outcome->stage = Stage::published;
  outcome->settlement = {record.lsn, folded.pages, record.header};
  const bool header_changed = record.header.version == record.lsn;
  out.push_back(Published{record.ino, record.id, record.lsn, std::move(folded.pages),
                          std::move(undecided.unread_copies), record.cut, header_changed,
                          !header_changed && undecided.waits_for_header, record.header});
}

void Group::durable(Lsn lsn, GroupEffects& out) {
  while (!log_.empty() && log_.front().record->lsn <= lsn) {
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
  const Header& header = outcome->settlement.header;
  if (header.version != outcome->settlement.version || header.cuts.empty()) return;
  Generation& learnt = learnt_[outcome->ino];
  learnt = std::max(learnt, header.generation);
}

void Group::unsettled(const CommitId& id, GroupEffects& out) {
  if (const Outcome* outcome = find(id)) tell(id, *outcome, false, out);
}

void Group::check_invariants() const {
  Lsn last;
  for (const Undecided& u : log_) {
    DSPM_CHECK(u.record->lsn > last && u.record->lsn.epoch() == epoch_, u.record->lsn);
    last = u.record->lsn;
  }
}

}  // namespace dspm::commit
