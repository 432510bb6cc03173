// [13-media, Checkpoint] Folds durable, then the record, then one anchor and the other; only then
// is the log before it used again.
#include <algorithm>

#include "commit/pool_state.h"
#include "utils/base/check.h"

namespace dspm::commit {

void Pool::State::note_folded() {
  for (auto& [id, group] : groups) group.fold(frames.folded(id));
}

bool Pool::wants_checkpoint() const {
  State& s = *state_;
  if (s.stage != State::Stage::idle || !health()) return false;
  s.note_folded();
  std::uint64_t folded = 0;
  for (const auto& [id, group] : s.groups) folded += group.folded_bytes;
  const std::uint64_t grown = s.log.tail() - s.start, carried = s.used - folded;
  if (grown <= carried) return false;  // [N7] it would gain nothing
  if (s.space_wanted) return true;
  if (grown - carried > shares_of(s.log.shape().ring).usable / 2) return true;
  for (const auto& [id, group] : s.groups) {
    if (group.folded_bytes > log_share() / 2) return true;
    if (s.frames.let_go_of(id) > frame_share() / 16) return true;
  }
  return false;
}

bool Pool::checkpointing() const { return state_->stage != State::Stage::idle; }

void Pool::begin_checkpoint(std::vector<GroupState> groups) {
  State& s = *state_;
  DSPM_CHECK(s.stage == State::Stage::idle);
  for (const GroupState& known : s.covered) {
    const auto same = [&](const GroupState& g) { return g.group == known.group; };
    if (std::none_of(groups.begin(), groups.end(), same)) groups.push_back(known);
  }
  std::sort(groups.begin(), groups.end(),
            [](const GroupState& a, const GroupState& b) { return a.group < b.group; });
  for (const GroupState& state : groups) {
    s.groups[state.group].fold(state.applied);
  }
  if (planted(Planted::outcomes_not_saved))
    for (GroupState& state : groups) state.outcomes.clear();
  s.next = {s.newest + 1,     s.log.tail(),   s.frames.stamp(),
            s.frames.count(), s.frames.sum(), std::move(groups)};
  s.frames.checkpoint_begun();
  s.space_wanted = false;
  s.awaited = s.pmem.sync();
  s.stage = State::Stage::syncing;
}

// Records behind what it covers are put again; then the record of the checkpoint itself.
void Pool::State::write_checkpoint() {
  for (auto& [id, group] : groups) {
    Lsn applied;
    for (const GroupState& state : next.groups)
      if (state.group == id) applied = state.applied;
    if (planted(Planted::live_not_copied)) continue;
    for (Live& live : group.live)
      if (live.record->lsn > applied && live.position < next.head) put(id, live);
  }
  const Bytes payload = encode(next);
  DSPM_CHECK(physical_length(payload.size(), log.shape().fragment) <=
                 shares_of(log.shape().ring).checkpoint,
             payload.size(), "the outcomes of all groups do not fit a checkpoint");
  log.put({format::FragmentKind::checkpoint, GroupId(), Lsn(next.number), Lsn()}, payload, head);
}

// From now on a restart begins with this checkpoint.
void Pool::State::checkpoint_durable() {
  newest = next.number;
  covered = next.groups;
  start = log.tail();
  frames.checkpoint_durable();
}

void Pool::State::trim() {
  head = next.head;
  for (const GroupState& state : next.groups) {
    GroupLog& group = groups[state.group];
    while (!group.live.empty() && group.live.front().record->lsn <= state.applied) {
      used -= group.live.front().bytes;
      group.drop_front();
    }
    if (state.applied) reached(trimmed, state.group, state.applied);
  }
}

// True: look again, something more may be possible now.
bool Pool::State::step() {
  switch (stage) {
    case Stage::idle:
      return false;
    case Stage::syncing:
      if (pmem.syncs_done() < awaited && !planted(Planted::folds_not_synced)) return false;
      frames.checkpoint_synced();
      if (planted(Planted::anchor_before_record)) log.put_anchor(next.number, next.head);
      write_checkpoint();
      awaited = log.tail();
      stage = Stage::recording;
      return true;
    case Stage::recording:
      if (log.durable() < awaited) return false;
      checkpoint_durable();
      if (planted(Planted::trimmed_without_anchor)) {
        awaited = log.fences();
        stage = Stage::completing;
        return true;
      }
      log.put_anchor(next.number, next.head);
      log.fence();
      awaited = log.fences();
      stage = Stage::anchoring;
      return true;
    case Stage::anchoring:
      if (!log.settled(awaited)) return false;
      log.put_anchor(next.number - 1, next.head);
      log.fence();
      awaited = log.fences();
      stage = Stage::completing;
      return true;
    case Stage::completing:
      if (!log.settled(awaited)) return false;
      trim();
      stage = Stage::idle;
      return true;
  }
  return false;
}

}  // namespace dspm::commit
