// [P10] An ordered record always fits on every member: what each has promised, less what is used.
#include <algorithm>
#include <utility>

#include "commit/primary.h"

namespace dspm::commit {

MemberSpace Primary::least_space() const {
  MemberSpace least = replica_.space();
  for (const auto& [node, member] : members_) {
    least.log_bytes = std::min(least.log_bytes, member.space.log_bytes);
    least.frames = std::min(least.frames, member.space.frames);
  }
  return least;
}

// ok; busy: when something has been trimmed; no_space: never as it is.
Status Primary::room(const Change& change) const {
  Record record;
  record.header = replica_.frames().header(change.ino);
  std::size_t bytes = record_bytes(record);
  for (const Extent& extent : change.extents) bytes += extent.bytes.size() + kExtentOverhead;
  const MemberSpace space = least_space();
  if (bytes > space.log_bytes) return Status::no_space;
  return log_used_ + bytes <= space.log_bytes ? Status::ok : Status::busy;
}

void Primary::count(const Record& record) {
  const std::uint64_t bytes = record_bytes(record);
  log_bytes_.emplace_back(record.lsn, bytes);
  log_used_ += bytes;
}

void Primary::trimmed(GroupEffects& out) { released(out); }

// [P9] Of what every member has trimmed nobody's log holds anything.
void Primary::released(GroupEffects& out) {
  Lsn least = replica_.trimmed();
  for (const auto& [node, member] : members_) least = std::min(least, member.trimmed);
  while (!log_bytes_.empty() && log_bytes_.front().first <= least) {
    log_used_ -= log_bytes_.front().second;
    log_bytes_.pop_front();
  }
  if (!open()) return;
  for (Held& held : std::exchange(wait_room_, {})) {
    commit(held.from, std::move(held.message), out);
  }
}

}  // namespace dspm::commit
