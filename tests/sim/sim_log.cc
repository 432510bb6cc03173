#include "tests/sim/sim_log.h"

#include <algorithm>

namespace dspm::sim {

void SimLog::append(GroupId group, commit::RecordRef record, Lsn decided) {
  groups_[group].entries.push_back({std::move(record), decided});
}

void SimLog::durable(GroupId group, Lsn lsn) {
  OfGroup& log = groups_[group];
  while (log.durable < log.entries.size() && log.entries[log.durable].record->lsn <= lsn) {
    ++log.durable;
  }
}

void SimLog::crash(Scheduler& scheduler) {
  for (auto& [group, log] : groups_) {
    const std::size_t kept = log.durable + scheduler.below(log.entries.size() - log.durable + 1);
    log.entries.resize(kept);
    log.durable = kept;
  }
}

commit::ReplicaState SimLog::recover(GroupId group) const {
  commit::ReplicaState state;
  const auto log = groups_.find(group);
  if (log == groups_.end()) return state;
  std::map<std::uint64_t, commit::RecordRef> by_place;  // the highest LSN of each
  Lsn decided;
  for (const Entry& entry : log->second.entries) {
    commit::RecordRef& best = by_place[entry.record->lsn.sequence()];
    if (best == nullptr || best->lsn < entry.record->lsn) best = entry.record;
    decided = std::max(decided, entry.decided);
  }
  Lsn last;
  for (const auto& [place, record] : by_place) {
    if (record->previous != last) break;  // what follows was cut
    last = record->lsn;
    if (last > decided) {
      state.records.push_back(record);
      continue;
    }
    if (record->kind == commit::RecordKind::write) {
      state.frames.fold(*record);
      state.outcomes.apply(*record);
    }
    state.applied = last;
  }
  return state;
}

}  // namespace dspm::sim
