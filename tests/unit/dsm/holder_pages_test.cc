// Pages between one kernel and its holder, step by step [F1]-[F11].
#include "tests/unit/dsm/holder_fixture.h"

namespace dspm::dsm::test {
namespace {

class HolderPages : public HolderTest {};
const PageRuns kPage0{{PageNo(0), 1}};

TEST_F(HolderPages, F1_AReadFetchesAndIsAnsweredWithWhatComes) {
  know(3 * kPageSize);
  read(10, 0, 2);
  const Fetch asked = fetch();
  EXPECT_EQ(asked.pages, (PageRun{PageNo(0), 2}));
  EXPECT_EQ(asked.epoch, kEpoch);
  EXPECT_FALSE(asked.asked) << "nothing is frozen";
  EXPECT_TRUE(answers<ReadAnswer>().empty());
  data(asked, 1, filled('a'));
  EXPECT_EQ(byte(0), 'a');
  EXPECT_EQ(byte(2 * kPageSize - 1), 'a');
}

TEST_F(HolderPages, M1_ARepeatedDataIsAnsweredOnce) {
  know(kPageSize);
  read(10, 0);
  const Fetch asked = fetch();
  data(asked, 1, filled('a'));
  data(asked, 1, filled('a'));
  EXPECT_TRUE(out.empty());
}

TEST_F(HolderPages, F3_A15_DataBelowTheFloorIsFetchedAgain) {
  know(kPageSize);
  read(10, 0);
  const Fetch first = fetch();
  inval(5, kPage0);  // [F8] a READ is in flight: nothing to wait for
  EXPECT_EQ(only(sent<Invalidated>()).version, at(5));
  EXPECT_TRUE(all<Job>().empty());
  data(first, 4, filled('o'));
  EXPECT_TRUE(answers<ReadAnswer>().empty()) << "older than what was promised";
  data(fetch(), 5, filled('n'));
  EXPECT_EQ(byte(0), 'n');
}

TEST_F(HolderPages, F3_A12_DataAskedBeforeTheFreezeIsFetchedAgain) {
  open();
  know(kPageSize);
  read(10, 0);
  const Fetch before = fetch();
  write(11, 0, bytes_of("w"));
  sync(12);
  const CommitId id = submitted().id;
  data(before, 1, filled('o'));
  EXPECT_TRUE(answers<ReadAnswer>().empty());
  const Fetch again = fetch();
  EXPECT_EQ(again.asked, id);
  data(again, 1, filled('o'), false);
  EXPECT_EQ(byte(0), 'w') << "the frozen byte lies over an answer that does not contain it";
  EXPECT_EQ(byte(1), 'o');
}

TEST_F(HolderPages, F3_NoFrozenByteOverAnAnswerThatContainsIt) {
  open();
  know(kPageSize);
  write(11, 0, bytes_of("w"));
  sync(12);
  read(10, 0);
  data(fetch(), 9, filled('n'), true);
  EXPECT_EQ(byte(0), 'n') << "somebody wrote the byte after this commit";
}

TEST_F(HolderPages, F3_StagedBytesLieOverWhatComes) {
  open();
  know(kPageSize);
  write(11, 1, bytes_of("w"));
  read(10, 0);
  data(fetch(), 1, filled('o'));
  EXPECT_EQ(byte(0), 'o');
  EXPECT_EQ(byte(1), 'w');
}

TEST_F(HolderPages, F4_TheFirstWritableOpenDropsWhatHasNoTwinAndAllOpensWaitForIt) {
  know(kPageSize);
  cached(0, 1, 'a');
  open(20);
  const Job drop = job();
  EXPECT_EQ(drop.kind, Job::Kind::drop);
  EXPECT_EQ(drop.offset, 0u);
  EXPECT_EQ(drop.length, 0u);
  EXPECT_FALSE(status(20));
  open(21);
  EXPECT_FALSE(status(21));
  kernel(OpenRequest{Unique(22), kIno, false});
  EXPECT_EQ(status(22), Status::ok) << "one that cannot write waits for nothing";
  done(drop.ticket);
  EXPECT_EQ(status(20), Status::ok);
  EXPECT_EQ(status(21), Status::ok);
  open(23);
  EXPECT_EQ(status(23), Status::ok);
}

TEST_F(HolderPages, F5_AMappedWriteIsStagedAsItsDifferenceAndBecomesTheTwin) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  Bytes page = whole('a');
  page[7] = std::byte('x');
  mapped(30, 0, page);
  EXPECT_EQ(status(30), Status::ok);
  sync(31);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{7, "x"}}));
  EXPECT_FALSE(submitted().change.set_size);
  EXPECT_EQ(submitted().change.grow_to, 0u);
  settled(submitted().id, 2, {{PageNo(0), at(1), false}}, header_of(1, kPageSize));
  EXPECT_EQ(status(31), Status::ok);
  mapped(32, 0, page);  // the same bytes: no change
  sync(33);
  EXPECT_TRUE(all<SubmitCommit>().empty());
  EXPECT_EQ(status(33), Status::ok);
}

TEST_F(HolderPages, F5_WriteBytesAreStagedAsTheyAreAndPatchTheTwin) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  write(30, 3, bytes_of("a"));  // equal, yet written [F5]
  after(1ms);
  Bytes page = whole('a');
  page[5] = std::byte('s');
  mapped(31, 0, page);
  sync(32);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{3, "a"}, {5, "s"}}));
}

TEST_F(HolderPages, F6_BesideADirectWriteBothValuesAreNoChange) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  direct_write(30, 0, bytes_of("d"));
  EXPECT_EQ(status(30), Status::ok);
  Bytes page = whole('a');  // the kernel's page lacks the direct byte
  page[9] = std::byte('s');
  mapped(31, 0, page);
  sync(32);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{0, "d"}, {9, "s"}}))
      << "the old byte does not come back over the direct one [D3]";
}

TEST_F(HolderPages, F6_ASecondValueEndsWithTheMappedWriteThatBringsTheByte) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  direct_write(30, 0, bytes_of("d"));
  Bytes page = whole('a');
  page[0] = std::byte('d');
  mapped(31, 0, page);  // now the kernel has 'd'
  page[0] = std::byte('a');
  mapped(32, 0, page);  // a store of 'a' since
  sync(33);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{0, "a"}}));
}

TEST_F(HolderPages, F7_AWholePageWriteMakesACopyThatTheCommitLists) {
  open();
  know(4 * kPageSize);
  write(30, kPageSize, whole('w'));
  inval(5, {{PageNo(1), 1}});
  EXPECT_EQ(job().kind, Job::Kind::drop) << "the kernel may have it";
  EXPECT_TRUE(sent<Invalidated>().empty());
  done(job().ticket);
  EXPECT_EQ(only(sent<Invalidated>()).version, at(5));
  write(31, 2 * kPageSize, whole('v'));
  sync(32);
  EXPECT_EQ(submitted().change.unread_copies, (PageRuns{{PageNo(2), 1}}));
}

TEST_F(HolderPages, F7_AWholePageWriteDuringTheNotifyIsNotifiedAgain) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  inval(5, kPage0);
  const Job first = job();
  write(30, 0, whole('w'));
  done(first.ticket);
  EXPECT_TRUE(sent<Invalidated>().empty());
  std::vector<Ticket> running;
  for (const Job& j : all<Job>()) running.push_back(j.ticket);
  ASSERT_FALSE(running.empty());
  done(running.back());
  EXPECT_EQ(only(sent<Invalidated>()).version, at(5));
}

TEST_F(HolderPages, F8_OneNotifyForARunAndOneAnswerWhenItReturns) {
  know(8 * kPageSize);
  for (std::uint64_t page = 0; page < 4; ++page) cached(page, 1, 'a');
  inval(5, {{PageNo(0), 4}, {PageNo(6), 1}});
  const Job drop = job();
  EXPECT_EQ(drop.offset, 0u);
  EXPECT_EQ(drop.length, 4 * kPageSize);
  EXPECT_EQ(only(sent<Invalidated>()).pages, (PageRuns{{PageNo(6), 1}})) << "no copy: at once";
  done(drop.ticket);
  EXPECT_EQ(only(sent<Invalidated>()).pages, (PageRuns{{PageNo(0), 4}}));
}

TEST_F(HolderPages, F8_B1_AReadTakenUpEndsTheBarBeforeItsNotifyReturns) {
  know(kPageSize);
  cached(0, 1, 'a');
  inval(5, kPage0);
  const Job drop = job();
  read(10, 0);
  EXPECT_EQ(only(sent<Invalidated>()).version, at(5));
  data(fetch(), 5, filled('n'));
  EXPECT_EQ(byte(0), 'n');
  done(drop.ticket);
  EXPECT_TRUE(sent<Invalidated>().empty());
}

TEST_F(HolderPages, A13e_ADirectReadEndsNoBar) {
  know(kPageSize);
  cached(0, 1, 'a');
  inval(5, kPage0);
  kernel(ReadRequest{Unique(10), kIno, 0, kPageSize, true});
  EXPECT_TRUE(sent<Invalidated>().empty());
  data(fetch(), 5, filled('n'));
  EXPECT_EQ(byte(0), 'n');
  EXPECT_TRUE(sent<Invalidated>().empty());
}

TEST_F(HolderPages, F8_TwoInvalsOfOnePageShareTheNotify) {
  know(kPageSize);
  cached(0, 1, 'a');
  inval(5, kPage0);
  const Job drop = job();
  inval(6, kPage0);
  EXPECT_TRUE(all<Job>().empty());
  done(drop.ticket);
  EXPECT_EQ(only(sent<Invalidated>()).version, at(6)) << "the highest that is waited for";
}

TEST_F(HolderPages, F9_APageThatTheKernelKeptIsStagedAndInvalidatedAgain) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  inval(5, kPage0);
  done(job().ticket);
  Bytes page = whole('a');
  page[3] = std::byte('p');
  mapped(30, 0, page);  // pinned: it had not gone [N10]
  EXPECT_EQ(status(30), Status::ok);
  const Job again = job();
  EXPECT_EQ(again.kind, Job::Kind::drop);
  EXPECT_EQ(again.offset, 0u);
  sync(31);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{3, "p"}}));
}

TEST_F(HolderPages, F11_WhatCannotBeJudgedPoisonsAndNothingOfTheTornSetCommits) {
  open();
  know(2 * kPageSize);
  write(30, 0, bytes_of("torn"));
  mapped(31, kPageSize, whole('x'));  // a page that never was read
  EXPECT_EQ(status(31), Status::ok) << "a mapped WRITE is never failed";
  const auto jobs = all<Job>();
  sync(32);
  for (const Job& j : jobs) done(j.ticket);
  if (jobs.empty()) sync(33);
  EXPECT_TRUE(all<SubmitCommit>().empty());
  sync(34);
  EXPECT_TRUE(all<SubmitCommit>().empty()) << "the torn set is gone for good";
  EXPECT_EQ(status(34), Status::ok) << "one handle was open: one error";
}

TEST_F(HolderPages, F11_EachHandleOpenThenHearsItOnceByAnFsync) {
  open(1);
  open(2);
  open(3);
  know(2 * kPageSize);
  mapped(31, kPageSize, whole('x'));
  for (const Job& j : all<Job>()) done(j.ticket);
  open(4);
  kernel(ReleaseRequest{Unique(40), kIno, true, 3});
  kernel(SyncRequest{Unique(41), kIno, 1, true});  // FLUSH, perhaps of a forked child
  EXPECT_EQ(status(41), Status::unknown);
  sync(42, 1);
  EXPECT_EQ(status(42), Status::unknown);
  sync(43, 1);
  EXPECT_EQ(status(43), Status::ok) << "once to each handle";
  sync(44, 4);
  EXPECT_EQ(status(44), Status::ok) << "opened since";
  sync(45, 2);
  EXPECT_EQ(status(45), Status::unknown) << "whoever else has been told";
  sync(46, 2);
  EXPECT_EQ(status(46), Status::ok);
}

TEST_F(HolderPages, F11_TheNextFsyncSaysEio) {
  open();
  know(2 * kPageSize);
  mapped(31, kPageSize, whole('x'));
  const auto jobs = all<Job>();
  sync(32);
  std::optional<Status> said = status(32);
  for (const Job& j : jobs) {
    EXPECT_FALSE(said) << "not before its pages have left the kernel";
    done(j.ticket);
    if (!said) said = status(32);
  }
  EXPECT_EQ(said, Status::unknown);
}

TEST_F(HolderPages, Rule8_AWriteThatRacedWithADropIsHeldForItOr20Ms) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  inval(5, kPage0);
  done(job().ticket);
  read(10, 0);
  data(fetch(), 5, filled('n'));
  write(30, 0, bytes_of("w"));  // copied into the page before it was dropped, for all we know
  EXPECT_FALSE(status(30));
  const Job drop = job();
  EXPECT_EQ(drop.kind, Job::Kind::drop);
  EXPECT_LE(holder.next_deadline(), now + 20ms);
  after(19ms);
  EXPECT_FALSE(status(30));
  after(1ms);
  EXPECT_EQ(status(30), Status::ok);
  done(drop.ticket);
  EXPECT_FALSE(status(30)) << "answered once";
}

TEST_F(HolderPages, Rule8_ReleasedByTheNotifyAndSecondWritesGoStraightOn) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  inval(5, kPage0);
  done(job().ticket);
  read(10, 0);
  data(fetch(), 5, filled('n'));
  write(30, 0, bytes_of("w"));
  done(job().ticket);
  EXPECT_EQ(status(30), Status::ok);
  read(11, 0);
  data(fetch(), 5, filled('n'));
  EXPECT_EQ(byte(0), 'w');
}

TEST_F(HolderPages, K3_3_ANotifyCountsForPagesThatCameAfterItBegan) {
  know(8 * kPageSize);
  cached(0, 1, 'a');
  open();  // drops what has no twin
  const Job dropping = job();
  cached(5, 1, 'b');
  inval(2, {{PageNo(5), 1}});
  const Job again = job();
  done(dropping.ticket);
  write(30, 7 * kPageSize, bytes_of("w"));
  EXPECT_EQ(status(30), Status::ok);
  read(31, 5);
  data(fetch(), 2, filled('c'));
  write(32, 5 * kPageSize, bytes_of("w"));
  EXPECT_FALSE(status(32)) << "the second notify is still running";
  done(again.ticket);
}

}  // namespace
}  // namespace dspm::dsm::test
