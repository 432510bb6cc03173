#include "fs/persist.h"

namespace dspm::fs {

void Persist::append(const WriteLog& write) {
  pool_.append(write.group, write.record, write.decided);
}

// [P3] Never waits: of a file the flusher does, and poll() hears of it.
void Persist::flush(Time now, std::vector<NodeEvent>& events) {
  pmem_.poll();
  pool_.flush(now);
  for (const auto& [group, lsn] : pool_.take_durable()) events.push_back(LogDurable{group, lsn});
  for (const auto& [group, lsn] : pool_.take_trimmed()) events.push_back(LogTrimmed{group, lsn});
  if (pool_.wants_checkpoint()) pool_.begin_checkpoint(node_.group_states());
}

}  // namespace dspm::fs
