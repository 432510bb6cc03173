// What the users of a pool see of it; crashes are tests/sim/pool_crash_test.cc.
#include "commit/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "commit/fragment.h"
#include "commit/frames.h"
#include "tests/unit/commit/heap_pmem.h"

namespace dspm::commit {
namespace {

constexpr Ino kIno{42};
constexpr GroupId kOne{1}, kTwo{2};
const PoolIdentity kIdentity{"demo", NodeId(3), PoolId(77)};
Lsn at(std::uint64_t n) { return Lsn(Epoch(1), n); }

class PoolTest : public testing::Test {
 protected:
  void start(std::uint64_t frames = 64, std::uint64_t ring = 32768, std::size_t groups = 1) {
    pmem = std::make_unique<test::HeapPmem>(frames, ring);
    ASSERT_TRUE(Pool::create(*pmem, kIdentity));
    options.groups = groups;
    reopen();
  }
  void reopen() {
    frames.reset();
    opened.reset();
    auto result = Pool::open(*pmem, kIdentity, options);
    ASSERT_TRUE(result) << result.error().what;
    opened = std::make_unique<Pool::Opened>(*std::move(result));
    frames = std::make_unique<Frames>(pool(), kOne);
  }
  Pool& pool() { return *opened->pool; }
  std::shared_ptr<Record> record(std::uint64_t n, std::uint64_t offset, std::size_t length,
                                 Epoch epoch = Epoch(1)) {
    auto r = std::make_shared<Record>();
    r->lsn = Lsn(epoch, n);
    r->previous = n > 1 ? at(n - 1) : Lsn();
    r->id = {NodeId(1), Incarnation(1), n};
    r->ino = kIno;
    r->extents = {{offset, Bytes(length, std::byte('a' + n % 26))}};
    return r;
  }
  void put(std::shared_ptr<Record> r, bool fold = true) {
    pool().append(kOne, r, r->previous);
    pool().flush(now);
    if (fold) frames->fold(*r);
  }
  void checkpoint(std::vector<GroupState> states) {
    pool().begin_checkpoint(std::move(states));
    pool().flush(now);
    EXPECT_FALSE(pool().checkpointing());
  }
  Status open_as(PoolIdentity identity) { return Pool::open(*pmem, identity, options).status(); }

  std::unique_ptr<test::HeapPmem> pmem;
  PoolOptions options;
  std::unique_ptr<Pool::Opened> opened;
  std::unique_ptr<Frames> frames;
  Time now{};
};

TEST_F(PoolTest, WhatIsNotThisPoolIsRefused) {
  test::HeapPmem empty(64, 32768);
  EXPECT_EQ(Pool::open(empty, kIdentity, options).status(), Status::no_entry);
  start();
  EXPECT_EQ(open_as({"other", NodeId(3), {}}), Status::foreign);
  EXPECT_EQ(open_as({"demo", NodeId(4), {}}), Status::foreign);
  EXPECT_EQ(open_as({"demo", NodeId(3), PoolId(78)}), Status::foreign);
  EXPECT_EQ(open_as({"demo", NodeId(3), {}}), Status::ok);
  EXPECT_EQ(Pool::create(*pmem, kIdentity).status(), Status::exists);
  test::HeapPmem small(64, 8192);
  EXPECT_EQ(Pool::create(small, kIdentity).status(), Status::invalid);
}

TEST_F(PoolTest, AnotherVersionOfTheFormatIsRefusedAndNotFormattedOver) {
  start();
  for (const std::uint64_t slot : {0, 1}) {
    format::Superblock s{};
    std::memcpy(&s, pmem->pool.data() + slot * format::kBlock, sizeof s);
    s.version = 2;
    seal(s);
    std::memcpy(pmem->pool.data() + slot * format::kBlock, &s, sizeof s);
  }
  EXPECT_EQ(open_as(kIdentity), Status::foreign);
  EXPECT_EQ(Pool::create(*pmem, kIdentity).status(), Status::exists);
}

TEST_F(PoolTest, P6_ADurableRecordIsReportedOnce) {
  start();
  put(record(1, 0, 10));
  put(record(2, 0, 10));
  const auto reached = pool().take_durable();
  ASSERT_EQ(reached.size(), 1u);
  EXPECT_EQ(reached[0].lsn, at(2));
  EXPECT_TRUE(pool().take_durable().empty());
}

TEST_F(PoolTest, P7_ASilentLogGetsAMark) {
  start();
  put(record(1, 0, 10));
  EXPECT_EQ(pool().next_deadline(), now + options.mark_after);
  now = pool().next_deadline();
  pool().flush(now);
  EXPECT_EQ(pool().next_deadline(), kNever);
  // Without it the flip would look like a torn tail.
  const Bytes log(pmem->log.begin(), pmem->log.end());
  const Bytes bytes = record(1, 0, 10)->extents[0].bytes;
  const auto found = std::search(log.begin(), log.end(), bytes.begin(), bytes.end());
  ASSERT_NE(found, log.end());
  pmem->log[std::size_t(found - log.begin())] ^= std::byte(1);
  EXPECT_EQ(open_as(kIdentity), Status::corrupt);
}

TEST_F(PoolTest, P9_WhatACheckpointCoversIsTrimmed) {
  start();
  put(record(1, 0, 100));
  put(record(2, 0, 100), false);
  const std::uint64_t one = log_bytes(*record(2, 0, 100));
  EXPECT_EQ(pool().log_used(kOne), 2 * one);
  checkpoint({{kOne, at(1), {}}});
  const auto trimmed = pool().take_trimmed();
  ASSERT_EQ(trimmed.size(), 1u);
  EXPECT_EQ(trimmed[0].lsn, at(1));
  EXPECT_EQ(pool().log_used(kOne), one);
  reopen();
  ASSERT_EQ(opened->groups.size(), 1u);
  EXPECT_EQ(opened->groups[0].applied, at(1));
  EXPECT_EQ(opened->groups[0].decided, at(1));
  ASSERT_EQ(opened->groups[0].records.size(), 1u);
  EXPECT_EQ(opened->groups[0].records[0]->lsn, at(2));
  EXPECT_EQ(frames->page(kIno, PageNo(0)).version, at(1));
}

TEST_F(PoolTest, P10_FramesThatNoCheckpointKnewComeBackAtOnce) {
  start(32, 1 << 20);
  put(record(1, 0, 25 * kPageSize));
  auto cut = record(2, 0, 10);
  cut->cut = kPageSize;
  put(cut);
  EXPECT_EQ(pool().frames_used(kOne), 2u);
  reopen();
  for (const RecordRef& r : opened->groups[0].records) frames->fold(*r);
  EXPECT_EQ(pool().frames_used(kOne), 2u);
}

// [N7] Its record moves along.
TEST_F(PoolTest, P9_AGroupThatCannotMoveDoesNotPinTheLog) {
  start(64, 32768, 2);
  pool().append(kTwo, record(1, 0, 50), Lsn());
  for (std::uint64_t n = 1; n <= 500; ++n) {
    put(record(n, 0, 1000));
    if (pool().wants_checkpoint()) checkpoint({{kOne, at(n), {}}, {kTwo, Lsn(), {}}});
  }
  EXPECT_LE(pool().log_used(kOne), pool().log_share());
  reopen();
  ASSERT_EQ(opened->groups.size(), 2u);
  ASSERT_EQ(opened->groups[1].records.size(), 1u);
  EXPECT_EQ(opened->groups[1].records[0]->lsn, at(1));
}

TEST_F(PoolTest, P9_AGroupThatIsNotServedStaysAsItWas) {
  start();
  put(record(1, 0, 100));
  GroupState state{kOne, at(1), {}};
  state.outcomes[{NodeId(1), Incarnation(1)}].decided[1] = at(1);
  checkpoint({state});
  reopen();
  for (int i = 0; i < 3; ++i) checkpoint({{kTwo, at(5), {}}});
  reopen();
  ASSERT_EQ(opened->groups.size(), 2u);
  EXPECT_EQ(opened->groups[0].applied, at(1));
  EXPECT_EQ(opened->groups[0].outcomes, state.outcomes);
  EXPECT_EQ(frames->page(kIno, PageNo(0)).version, at(1));
}

TEST_F(PoolTest, A6_WhatIsCutIsNotReportedAndWhatReplacesItWins) {
  start();
  put(record(1, 0, 10));
  pool().take_durable();
  pool().append(kOne, record(2, 0, 10), at(1));
  pool().cut(kOne, 2);
  pool().flush(now);
  EXPECT_TRUE(pool().take_durable().empty());
  EXPECT_EQ(pool().log_used(kOne), log_bytes(*record(1, 0, 10)));
  put(record(2, 50, 10, Epoch(2)), false);
  EXPECT_EQ(pool().take_durable()[0].lsn, Lsn(Epoch(2), 2));
  reopen();
  ASSERT_EQ(opened->groups[0].records.size(), 2u);
  EXPECT_EQ(opened->groups[0].records[1]->lsn, Lsn(Epoch(2), 2));
}

TEST_F(PoolTest, P10_ALogShareThatIsFullWaitsForACheckpoint) {
  start();
  const auto room = [&](std::uint64_t bytes) { return pool().room(kOne, {bytes, 2, 0}); };
  EXPECT_EQ(room(pool().log_share() + 1), Status::no_space);
  EXPECT_EQ(room(pool().log_share()), Status::ok);
  EXPECT_FALSE(pool().wants_checkpoint());
  put(record(1, 0, 1000));
  EXPECT_EQ(room(pool().log_share()), Status::busy);
  EXPECT_TRUE(pool().wants_checkpoint()) << "somebody waits";
  checkpoint({{kOne, at(1), {}}});
  EXPECT_EQ(room(pool().log_share()), Status::ok);
}

TEST_F(PoolTest, P10_FramesThatAreGivenUpComeBackWithACheckpoint) {
  start(32, 1 << 20);
  put(record(1, 0, 25 * kPageSize));  // and the object's own
  EXPECT_EQ(pool().frames_used(kOne), 26u);
  EXPECT_EQ(pool().room(kOne, {100, 3, 3}), Status::no_space);
  checkpoint({{kOne, at(1), {}}});
  auto cut = record(2, 0, 10);
  cut->cut = kPageSize;
  put(cut);
  EXPECT_EQ(pool().frames_used(kOne), 26u) << "recovery may still need them";
  EXPECT_EQ(pool().room(kOne, {100, 10, 10}), Status::busy);
  checkpoint({{kOne, at(2), {}}});
  EXPECT_EQ(pool().frames_used(kOne), 2u);
  EXPECT_EQ(pool().room(kOne, {100, 10, 10}), Status::ok);
  pool().check_invariants();
}

TEST_F(PoolTest, P5_APinnedPageIsFoldedElsewhereAndItsFrameComesBackWhenItIsLetGo) {
  start();
  put(record(1, 0, kPageSize));
  checkpoint({{kOne, at(1), {}}});
  PageRef held = frames->page(kIno, PageNo(0)).bytes;
  const PageBytes before = *held;
  put(record(2, 0, 5));
  EXPECT_EQ(held->data, before.data);
  EXPECT_EQ(frames->page(kIno, PageNo(0)).bytes->data[0], std::byte('c'));
  checkpoint({{kOne, at(2), {}}});
  EXPECT_EQ(pool().frames_used(kOne), 3u);
  held.reset();
  pool().flush(now);
  EXPECT_EQ(pool().frames_used(kOne), 2u);
  const std::byte* where = frames->page(kIno, PageNo(0)).bytes->data.data();
  put(record(3, 0, 5));
  EXPECT_EQ(frames->page(kIno, PageNo(0)).bytes->data.data(), where) << "in place, nobody holds it";
}

TEST_F(PoolTest, P10_ARecordsFramesArePromisedUntilItIsFolded) {
  start();
  pool().append(kOne, record(1, 0, 3 * kPageSize), Lsn());
  EXPECT_EQ(pool().frames_used(kOne), 4u);
  frames->fold(*record(1, 0, 3 * kPageSize));
  EXPECT_EQ(pool().frames_used(kOne), 4u);
  frames->fold(*record(1, 0, 3 * kPageSize));
  EXPECT_EQ(pool().frames_used(kOne), 4u);
}

}  // namespace
}  // namespace dspm::commit
