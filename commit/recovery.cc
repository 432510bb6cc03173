#include "commit/recovery.h"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "commit/fragment.h"
#include "utils/base/planted.h"

namespace dspm::commit {

std::string cluster_of(const format::Superblock& superblock) {
  const auto end = std::find(superblock.cluster.begin(), superblock.cluster.end(), '\0');
  return {superblock.cluster.begin(), end};
}

namespace {

using format::Anchor;
using format::Superblock;

template <class... Parts>
Error error(Status status, const Parts&... parts) {
  std::ostringstream text;
  ((text << parts), ...);
  return {status, text.str()};
}

Outcome check_owner(const Superblock& s, const PoolIdentity& expected) {
  if (cluster_of(s) != expected.cluster)
    return error(Status::foreign, "the pool belongs to cluster '", cluster_of(s), "', not to '",
                 expected.cluster, "'");
  if (s.node != expected.node.value)
    return error(Status::foreign, "the pool belongs to node ", s.node, " of this cluster, not to ",
                 expected.node);
  if (expected.pool && s.pool != expected.pool.value)
    return error(Status::foreign, "this is pool ", to_string(PoolId(s.pool)), ", expected was ",
                 to_string(expected.pool));
  return Done{};
}

Outcome read_anchors(Pmem& pmem, std::uint32_t tag, Recovery& out) {
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    Anchor anchor{};
    const auto bytes = std::as_writable_bytes(std::span(&anchor, 1));
    if (auto r = pmem.read(PmemRegion::log, slot * format::kBlock, bytes); !r) return r;
    if (sound(anchor) && anchor.pool_tag == tag && anchor.checkpoint % 2 == slot &&
        anchor.head % format::kAlign == 0) {
      out.anchors[slot] = anchor;
    }
  }
  if (!out.anchors[0] && !out.anchors[1])
    return error(Status::corrupt, "the log is damaged: neither of its anchors is valid");
  return Done{};
}

std::vector<RecoveredGroup> groups_of(const Checkpoint& checkpoint,
                                      std::map<GroupId, GroupRecords> records) {
  std::map<GroupId, RecoveredGroup> groups;
  for (const GroupState& state : checkpoint.groups)
    groups[state.group] = {state.group, state.applied, state.outcomes, {}, state.applied};
  for (auto& [group, found] : records) {
    RecoveredGroup& to = groups[group];
    to.group = group;
    to.records = std::move(found.records);
    to.decided = std::max(to.applied, found.decided);
  }
  std::vector<RecoveredGroup> out;
  for (auto& [group, state] : groups) out.push_back(std::move(state));
  return out;
}

}  // namespace

Result<Superblock> read_superblock(ByteSpan start) {
  bool other_version = false, damaged = false;
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    Superblock s{};
    if (start.size() < slot * format::kBlock + sizeof s) break;
    std::memcpy(&s, start.data() + slot * format::kBlock, sizeof s);
    if (s.magic != format::kSuperblockMagic) continue;
    if (!sound(s)) {
      damaged = true;
    } else if (s.version != format::kVersion) {
      other_version = true;
    } else if (s.ring % format::kAlign == 0 && s.ring > 0 && s.fragment_payload > 0 &&
               s.fragment_payload <= format::kFragmentPayload) {
      return s;
    }
  }
  if (other_version)
    return error(Status::foreign,
                 "the pool has another version of the format: use the dspm that made it");
  if (damaged)
    return error(Status::no_entry,
                 "both superblocks are damaged, or its creation was interrupted: if it never held "
                 "anything, remove it and create it again");
  return error(Status::no_entry, "not a pool");
}

Result<Superblock> read_superblock(Pmem& pmem) {
  Bytes start(std::min(2 * format::kBlock, pmem.size(PmemRegion::pool)));
  if (auto r = pmem.read(PmemRegion::pool, 0, start); !r) return r.error();
  auto s = read_superblock(ByteSpan(start));
  if (!s) return s;
  if (s->frames != format::frames_in(pmem.size(PmemRegion::pool)) ||
      s->ring != pmem.size(PmemRegion::log) - format::kRing) {
    return error(Status::foreign,
                 "the sizes of the pool or its log have changed since it was made");
  }
  return s;
}

Result<Recovery> recover(Pmem& pmem, const PoolIdentity& expected) {
  Recovery out;
  auto superblock = read_superblock(pmem);
  if (!superblock) return superblock.error();
  out.superblock = *superblock;
  if (auto owner = check_owner(out.superblock, expected); !owner) return owner.error();
  // [E5] After a kill what is read may never have reached the media.
  if (!planted(Planted::no_sync_at_recovery)) {
    if (auto settled = pmem.settle(); !settled) return settled.error();
  }
  const std::uint32_t tag = pool_tag(out.superblock.pool);
  if (auto anchors = read_anchors(pmem, tag, out); !anchors) return anchors.error();
  std::uint64_t head = 0, newest = 0;
  for (const auto& anchor : out.anchors) {
    if (!anchor) continue;
    head = std::max(head, anchor->head);
    newest = std::max(newest, anchor->checkpoint);
  }
  const Log::Shape shape{out.superblock.ring, out.superblock.fragment_payload, tag};
  auto log = scan_log(pmem, shape, head);
  if (!log) return log.error();
  auto checkpoint = newest_checkpoint(*log);
  if (!checkpoint) return checkpoint.error();
  if (checkpoint->number < newest)
    return error(Status::corrupt, "the log is damaged: checkpoint ", newest,
                 " was durable and is lost");
  auto records = assemble(*log, *checkpoint);
  if (!records) return records.error();
  auto frames = scan_frames(pmem, tag, out.superblock.frames, *checkpoint, *records);
  if (!frames) return frames.error();
  out.end = log->end;
  out.report.torn_tail = log->torn;
  out.report.log_bytes = log->end.position - head;
  out.report.frames = frames->found.frames.size();
  out.report.units_torn = frames->units_torn;
  out.report.units_unverified = frames->units_unverified;
  out.frames = std::move(frames->found);
  out.groups = groups_of(*checkpoint, std::move(*records));
  out.checkpoint = std::move(*checkpoint);
  return out;
}

}  // namespace dspm::commit
