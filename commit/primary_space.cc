// [P10] An ordered record always fits on every member: what each has promised, less what is used.
#include <algorithm>
#include <utility>

#include "commit/format.h"
#include "commit/primary.h"
#include "utils/base/limits.h"

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
  Record record;  // what it will be, without the bytes
  record.header = replica_.frames().header(change.ino);
  std::uint64_t bytes = log_bytes(record);
  for (const Extent& extent : change.extents) bytes += extent.bytes.size() + kExtentOverhead;
  bytes += (bytes / format::kFragmentPayload + 1) * 2 * format::kAlign;  // more fragments
  const MemberSpace least = least_space();
  const Status here = replica_.room(change.ino, change.extents, bytes, least);
  if (here != Status::ok) return here;
  return log_used_ + bytes <= least.log_bytes ? Status::ok : Status::busy;
}

void Primary::count(const Record& record) {
  const std::uint64_t bytes = log_bytes(record);
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
  if (open()) retry_room(out);
}

// All members' logs must be trimmed: each by a checkpoint of its own.
void Primary::ask_for_space(GroupEffects& out) {
  replica_.want_space();
  for (auto& [node, member] : members_) {
    if (member.streaming) tell_decided(node, member, true, out);
  }
}

void Primary::retry_room(GroupEffects& out) {
  for (Held& held : std::exchange(wait_room_, {})) {
    commit(held.from, std::move(held.message), out);
  }
}

}  // namespace dspm::commit
