#include "commit/checkpoint.h"

#include "utils/base/bytes.h"

namespace dspm::commit {
namespace {

void put(Writer& w, const GroupState& group) {
  w.put(group.group);
  w.put(group.applied);
  w.put(std::uint32_t(group.outcomes.size()));
  for (const auto& [who, committer] : group.outcomes) {
    w.put(who.first);
    w.put(who.second);
    w.put(committer.floor);
    w.put(std::uint32_t(committer.decided.size()));
    for (const auto& [sequence, lsn] : committer.decided) {
      w.put(sequence);
      w.put(lsn);
    }
  }
}

void get(Reader& r, GroupState& group) {
  r.get(group.group);
  r.get(group.applied);
  for (std::uint32_t left = r.count(24); left > 0; --left) {
    const auto node = r.get<NodeId>();
    const auto incarnation = r.get<Incarnation>();
    Outcomes::OfCommitter committer;
    r.get(committer.floor);
    for (std::uint32_t n = r.count(16); n > 0; --n) {
      const auto sequence = r.get<std::uint64_t>();
      r.get(committer.decided[sequence]);
    }
    if (!group.outcomes.emplace(std::pair(node, incarnation), std::move(committer)).second)
      r.fail();
  }
}

}  // namespace

Bytes encode(const Checkpoint& checkpoint) {
  Writer w;
  w.put(checkpoint.number);
  w.put(checkpoint.head);
  w.put(checkpoint.stamp);
  w.put(checkpoint.frames);
  w.put(checkpoint.sum);
  w.put(std::uint32_t(checkpoint.groups.size()));
  for (const GroupState& group : checkpoint.groups) put(w, group);
  return w.take();
}

Result<Checkpoint> decode_checkpoint(ByteSpan bytes) {
  Reader r(bytes);
  Checkpoint checkpoint;
  r.get(checkpoint.number);
  r.get(checkpoint.head);
  r.get(checkpoint.stamp);
  r.get(checkpoint.frames);
  r.get(checkpoint.sum);
  GroupId last;
  for (std::uint32_t n = r.count(16); n > 0 && r.ok(); --n) {
    GroupState& group = checkpoint.groups.emplace_back();
    get(r, group);
    if (group.group <= last) r.fail();
    last = group.group;
  }
  if (!r.finished()) return Error{Status::corrupt, "not a checkpoint record"};
  return checkpoint;
}

}  // namespace dspm::commit
