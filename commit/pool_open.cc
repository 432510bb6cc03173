// Making a pool, and opening one after whatever happened to it.
#include <algorithm>
#include <cstring>

#include "commit/fragment.h"
#include "commit/pool_state.h"
#include "commit/recovery.h"
#include "utils/base/check.h"

namespace dspm::commit {
namespace {

using format::Superblock;

constexpr std::uint64_t kLeastRing = 16384, kLeastFrames = 8;

Result<Superblock> superblock_for(const Pmem& pmem, const PoolIdentity& identity,
                                  std::uint32_t fragment) {
  Superblock s{};
  s.version = format::kVersion;
  s.node = identity.node.value;
  s.pool = identity.pool.value;
  s.frames = format::frames_in(pmem.size(PmemRegion::pool));
  const std::uint64_t log = pmem.size(PmemRegion::log);
  s.ring = log < format::kRing ? 0 : log - format::kRing;
  s.fragment_payload = fragment;
  if (identity.cluster.empty() || identity.cluster.size() > s.cluster.size())
    return Error{Status::invalid, "a cluster's id has 1 to 64 characters"};
  if (!identity.node || !identity.pool) return Error{Status::invalid, "a pool needs a node"};
  if (s.frames < kLeastFrames || s.ring < kLeastRing || s.ring % format::kAlign != 0)
    return Error{Status::invalid, "too small for a pool"};
  std::copy(identity.cluster.begin(), identity.cluster.end(), s.cluster.begin());
  seal(s);
  return s;
}

// Nothing is formatted over: a pool, or what may have been one.
Outcome check_vacant(Pmem& pmem) {
  const auto superblock = read_superblock(pmem);
  if (superblock || superblock.status() == Status::foreign)
    return Error{Status::exists, "there is a pool already"};
  if (superblock.status() != Status::no_entry) return superblock.error();
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    format::Anchor anchor{};
    const auto bytes = std::as_writable_bytes(std::span(&anchor, 1));
    if (auto r = pmem.read(PmemRegion::log, slot * format::kBlock, bytes); !r) return r;
    if (sound(anchor) && anchor.checkpoint > 1)
      return Error{Status::exists, "there is the log of a pool whose superblocks are damaged"};
  }
  return Done{};
}

// What an earlier pool may have left there.
Outcome clear_headers(Pmem& pmem, std::uint64_t frames) {
  Bytes block(format::kBlock);
  const std::uint64_t end = format::frame_offset(frames, 0);
  for (std::uint64_t at = format::kHeaders; at < end; at += block.size()) {
    if (auto r = pmem.read(PmemRegion::pool, at, block); !r) return r;
    const bool blank =
        std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte(); });
    if (!blank) pmem.write(at, Bytes(block.size()));
  }
  return Done{};
}

Outcome write_superblocks(Pmem& pmem, const Superblock& superblock) {
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    pmem.write(slot * format::kBlock, std::as_bytes(std::span(&superblock, 1)));
    if (auto r = pmem.settle(); !r) return r;
  }
  return Done{};
}

}  // namespace

Outcome Pool::create(Pmem& pmem, const PoolIdentity& identity, std::uint32_t fragment) {
  const auto superblock = superblock_for(pmem, identity, fragment);
  if (!superblock) return superblock.error();
  if (auto vacant = check_vacant(pmem); !vacant) return vacant;
  if (auto r = pmem.secure(format::frame_offset(superblock->frames, 0)); !r) return r;
  if (planted(Planted::superblock_first)) {
    if (auto r = write_superblocks(pmem, *superblock); !r) return r;
  }
  if (auto r = clear_headers(pmem, superblock->frames); !r) return r;
  Checkpoint first;
  first.number = 1;
  Log log(pmem, {superblock->ring, fragment, pool_tag(superblock->pool)}, {});
  log.put({format::FragmentKind::checkpoint, GroupId(), Lsn(first.number), Lsn()}, encode(first),
          0);
  log.put_anchor(1, 0);
  log.put_anchor(0, 0);
  if (auto r = pmem.settle(); !r) return r;
  return write_superblocks(pmem, *superblock);
}

Result<Pool::Opened> Pool::open(Pmem& pmem, const PoolIdentity& expected,
                                const PoolOptions& options) {
  DSPM_CHECK(options.groups > 0);
  auto recovered = recover(pmem, expected);
  if (!recovered) return recovered.error();
  Recovery& r = *recovered;
  const Log::Shape shape{r.superblock.ring, r.superblock.fragment_payload,
                         pool_tag(r.superblock.pool)};
  auto state = std::make_unique<State>(pmem, PoolId(r.superblock.pool), shape, r.end,
                                       r.superblock.frames, options);
  State& s = *state;
  const std::uint64_t number = r.checkpoint.number;
  for (const std::uint64_t anchor : {number, number - 1}) {
    const auto& there = r.anchors[anchor % 2];
    if (there && there->checkpoint == anchor && there->head == r.checkpoint.head) continue;
    s.log.put_anchor(anchor, r.checkpoint.head);
    s.log.fence();
    if (auto settled = pmem.settle(); !settled) return settled.error();
  }
  s.head = r.checkpoint.head;
  s.newest = number;
  s.covered = std::move(r.checkpoint.groups);
  s.start = r.checkpoint.head;
  // Again: whoever copied the pool's files may have made holes.
  if (auto secured = pmem.secure(format::frame_offset(r.superblock.frames, r.frames.untouched));
      !secured) {
    return secured.error();
  }
  s.frames.start(r.frames);
  std::unique_ptr<Pool> pool(new Pool(std::move(state)));
  for (const RecoveredGroup& group : r.groups) pool->adopt(group);
  // Whatever a crash has left behind the end does not continue this.
  s.log.put({}, {}, s.head);
  return Opened{std::move(pool), std::move(r.groups), r.report};
}

void Pool::adopt(const RecoveredGroup& group) {
  for (const RecordRef& record : group.records)
    state_->add(group.group, {record, group.decided, 0});
}

}  // namespace dspm::commit
