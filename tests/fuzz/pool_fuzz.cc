// Bytes of a pool from anybody: opened within its limits or refused with a reason; what is opened
// opens again. The first byte says how the rest is read: as a record, as a checkpoint, as a
// superblock, or as changes of a small sound pool: {region and offset, 4 bytes; value, 1 byte}.
#include <cstdint>
#include <cstring>

#include "commit/fragment.h"
#include "commit/frames.h"
#include "commit/pool.h"
#include "commit/recovery.h"
#include "tests/unit/commit/heap_pmem.h"
#include "utils/base/check.h"

namespace {

using namespace dspm;
using namespace dspm::commit;

const PoolIdentity kIdentity{"cluster", NodeId(1), PoolId(42)};

Record write_of(Lsn lsn, std::uint64_t offset, std::size_t length) {
  Record record;
  record.lsn = lsn;
  record.previous = Lsn(lsn.value - 1);
  if (lsn.sequence() == 1) record.previous = Lsn();
  record.id = {NodeId(1), Incarnation(1), lsn.sequence()};
  record.ino = Ino(7);
  record.extents = {{offset, Bytes(length, std::byte('x'))}};
  if (lsn.sequence() % 4 == 0) record.cut = offset + length / 2;
  return record;
}

// Eight records, a checkpoint in the middle.
test::HeapPmem sound_pool() {
  test::HeapPmem pmem(40, 32768);
  DSPM_CHECK(Pool::create(pmem, kIdentity, 512));
  auto opened = Pool::open(pmem, kIdentity, {});
  DSPM_CHECK(opened);
  Pool& pool = *opened->pool;
  Frames frames(pool, GroupId(1));
  for (std::uint64_t n = 1; n <= 8; ++n) {
    auto record = std::make_shared<Record>(write_of(Lsn(Epoch(1), n), n * 3000, 1000));
    pool.append(GroupId(1), record, Lsn(Epoch(1), n - 1));
    pool.flush(Time());
    frames.fold(*record);
    if (n == 4) pool.begin_checkpoint({{GroupId(1), record->lsn, {}}});
  }
  pool.flush(Time());
  return pmem;
}

void try_pool(ByteSpan changes) {
  static const test::HeapPmem kSound = sound_pool();
  test::HeapPmem pmem = kSound;
  for (; changes.size() >= 5; changes = changes.subspan(5)) {
    std::uint32_t at = 0;
    std::memcpy(&at, changes.data(), sizeof at);
    auto& region = (at & 1u) != 0 ? pmem.pool : pmem.log;
    region[(at >> 1) % region.size()] = changes[4];
  }
  for (int again = 0; again < 2; ++again) {
    auto opened = Pool::open(pmem, kIdentity, {});
    if (!opened) {
      DSPM_CHECK(again == 0 && !opened.error().what.empty());
      return;
    }
    for (const RecoveredGroup& group : opened->groups) {
      Frames frames(*opened->pool, group.group);
      for (const RecordRef& record : group.records)
        if (record->kind == RecordKind::write) frames.fold(*record);
      for (const auto& object : frames.all())
        for (const auto& page : object.pages) frames.page(object.ino, page.page);
    }
    opened->pool->flush(Time());
    opened->pool->check_invariants();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteSpan bytes = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0] % 4) {
    case 0:
      if (const auto record = decode_record(bytes); record) {
        const auto again = decode_record(encode(*record));
        DSPM_CHECK(again && encode(*again) == encode(*record));
      }
      break;
    case 1:
      if (const auto checkpoint = decode_checkpoint(bytes); checkpoint)
        DSPM_CHECK(decode_checkpoint(encode(*checkpoint)));
      break;
    case 2:
      (void)read_superblock(bytes).status();
      break;
    case 3:
      try_pool(bytes);
      break;
  }
  return 0;
}
