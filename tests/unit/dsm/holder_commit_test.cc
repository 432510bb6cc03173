// FSYNC, sizes and their push, step by step [C1] [C4] [C6] [C8] [Z3]-[Z9].
#include "tests/unit/dsm/holder_fixture.h"

namespace dspm::dsm::test {
namespace {

class HolderCommit : public HolderTest {
 protected:
  CommitId commit(std::uint64_t unique, std::uint64_t offset, const std::string& text) {
    write(unique, offset, bytes_of(text));
    sync(unique + 1);
    return submitted().id;
  }
  ReplacedPage replaced(std::uint64_t version) { return {PageNo(0), at(version), false}; }
};

TEST_F(HolderCommit, C1_WhatIsWrittenAfterTheFreezeIsOfTheNextCommit) {
  open();
  know(kPageSize);
  const CommitId first = commit(30, 0, "a");
  write(32, 1, bytes_of("b"));
  sync(33);
  EXPECT_TRUE(all<SubmitCommit>().empty()) << "one at a time";
  settled(first, 2, {replaced(1)}, header_of(1, kPageSize), false);
  EXPECT_FALSE(status(31)) << "FSYNC waits for Done";
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{1, "b"}}));
  EXPECT_GT(submitted().id.sequence, first.sequence);
  settled(first, 2, {replaced(1)}, header_of(1, kPageSize), true);
  EXPECT_EQ(status(31), Status::ok);
  EXPECT_FALSE(status(33));
}

// Committed by the home's next life, which has not named the header yet.
TEST_F(HolderCommit, C7_AFrozenCommitWithoutAHeaderIsReserved) {
  open();
  know(kPageSize);
  new_life(Epoch(2));
  const FetchAttr asked = only(sent<FetchAttr>());
  write(30, 0, bytes_of("x"));
  sync(31);
  EXPECT_TRUE(all<SubmitCommit>().empty());
  const auto reserved = only(all<ReserveCommit>());
  EXPECT_EQ(reserved.home, kGroup);
  attr(asked.request, header_of(1, kPageSize));
  EXPECT_EQ(submitted().id, reserved.id);
  returned(submitted().id, Status::no_space, header_of(1, kPageSize));
  EXPECT_EQ(status(31), Status::no_space);
  EXPECT_EQ(only(all<DropCommit>()).id, reserved.id);
}

TEST_F(HolderCommit, AForgottenObjectGoesWhenItsLastCommitIsDone) {
  open();
  know(kPageSize);
  write(30, 0, bytes_of("x"));
  kernel(ReleaseRequest{Unique(31), kIno, true, 1});
  const CommitId id = submitted().id;
  kernel(Forgotten{kIno});
  ASSERT_NE(holder.find(kIno), nullptr) << "its commit is under way";
  settled(id, 2, {replaced(1)}, header_of(1, kPageSize));
  EXPECT_EQ(holder.find(kIno), nullptr);
}

TEST_F(HolderCommit, AForgottenObjectThatIsKnownAgainStays) {
  open();
  know(kPageSize);
  write(30, 0, bytes_of("x"));
  kernel(ReleaseRequest{Unique(31), kIno, true, 1});
  const CommitId id = submitted().id;
  kernel(Forgotten{kIno});
  holder.object_learnt(kIno, kGroup);
  settled(id, 2, {replaced(1)}, header_of(1, kPageSize));
  EXPECT_NE(holder.find(kIno), nullptr);
}

TEST_F(HolderCommit, C4_AfterDecidedACopyOnReplacedIsNamedAnew) {
  open();
  know(kPageSize);
  cached(0, 1, 'a');
  const CommitId id = commit(30, 0, "w");
  settled(id, 2, {replaced(1)}, header_of(1, kPageSize));
  EXPECT_EQ(holder.find(kIno)->pages.at(PageNo(0)).version, at(2));
  EXPECT_EQ(holder.find(kIno)->pages.at(PageNo(0)).floor, at(2));
}

TEST_F(HolderCommit, C6_FsyncWithNothingStagedSendsNothingAndWaitsForWhatIsInFlight) {
  open();
  know(kPageSize);
  sync(29);
  EXPECT_EQ(status(29), Status::ok);
  const CommitId id = commit(30, 0, "a");
  settled(id, 2, {replaced(1)}, header_of(1, kPageSize), false);
  sync(32);
  EXPECT_TRUE(all<SubmitCommit>().empty());
  EXPECT_FALSE(status(32));
  settled(id, 2, {replaced(1)}, header_of(1, kPageSize), true);
  EXPECT_EQ(status(31), Status::ok);
  EXPECT_EQ(status(32), Status::ok);
}

TEST_F(HolderCommit, C8_EioAfter30SecondsThenTheNextFsyncSettlesIt) {
  open();
  know(kPageSize);
  const CommitId id = commit(30, 0, "a");
  after(29s);
  EXPECT_FALSE(status(31));
  after(1s);
  EXPECT_EQ(status(31), Status::unknown);
  sync(32);
  EXPECT_FALSE(status(32)) << "the frozen bytes stay";
  settled(id, 2, {replaced(1)}, header_of(1, kPageSize));
  EXPECT_EQ(status(32), Status::ok);
}

TEST_F(HolderCommit, C8_NoSpaceLosesNothingThatIsStaged) {
  open();
  know(kPageSize);
  const CommitId id = commit(30, 0, "a");
  returned(id, Status::no_space, header_of(1, kPageSize));
  EXPECT_EQ(status(31), Status::no_space);
  sync(32);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{0, "a"}}));
}

TEST_F(HolderCommit, Z3_RefusedIsCutAndSentAgainUnderTheNewGeneration) {
  open();
  know(2 * kPageSize);
  const CommitId id = commit(30, kPageSize - 2, "abcd");
  EXPECT_EQ(submitted().change.generation, Generation(0));
  returned(id, Status::gone, header_of(5, kPageSize, {{Generation(1), kPageSize}}));
  const SubmitCommit next = submitted();
  EXPECT_EQ(next.id, id);
  EXPECT_EQ(next.change.generation, Generation(1));
  EXPECT_EQ(text(next.change), (std::map<std::uint64_t, std::string>{{kPageSize - 2, "ab"}}));
}

TEST_F(HolderCommit, Z6_ALearntCutTakesStagedBytesAndMarksCopies) {
  open();
  know(2 * kPageSize);
  cached(1, 1, 'a');
  write(30, kPageSize + 5, bytes_of("gone"));
  inval(5, {}, header_of(5, kPageSize, {{Generation(1), kPageSize}}));
  Bytes page = whole('a');
  page[9] = std::byte('x');
  mapped(31, kPageSize, page);  // stored before the kernel heard of the cut
  EXPECT_EQ(status(31), Status::ok);
  sync(32);
  EXPECT_TRUE(all<SubmitCommit>().empty());
  EXPECT_EQ(status(32), Status::ok);
}

TEST_F(HolderCommit, Z7_DataFromBeforeACutThatIsKnownAreCut) {
  know(2 * kPageSize);
  read(40, 1);
  const Fetch asked = fetch();
  getattr(41);
  attr(only(sent<FetchAttr>()).request,
       header_of(5, 2 * kPageSize, {{Generation(1), kPageSize + 3}}));
  data(asked, 1, filled('a'), false, 0);
  EXPECT_EQ(byte(2), 'a');
  EXPECT_EQ(byte(3), '\0');
}

TEST_F(HolderCommit, Z8_GrowthIsVoidedToldRaisedThenAnswered) {
  know(kPageSize);
  inval(5, {}, header_of(5, 3 * kPageSize));
  const Job voiding = job();
  EXPECT_EQ(voiding.kind, Job::Kind::void_attrs);
  EXPECT_EQ(holder.find(kIno)->told, kPageSize) << "not told before older answers are void";
  done(voiding.ticket);
  const Job raise = job();
  EXPECT_EQ(raise.kind, Job::Kind::raise_size);
  EXPECT_EQ(raise.size, 3 * kPageSize);
  EXPECT_LE(raise.offset, kPageSize) << "dropped from the old end";
  EXPECT_EQ(holder.find(kIno)->told, 3 * kPageSize);
  EXPECT_TRUE(sent<Invalidated>().empty());
  getattr(40);
  attr(only(sent<FetchAttr>()).request, header_of(5, 3 * kPageSize));
  EXPECT_FALSE(size_told(40)) << "never a size ahead of its bytes";
  done(raise.ticket);
  EXPECT_EQ(size_told(40), 3 * kPageSize);
  const Invalidated told = only(sent<Invalidated>());
  EXPECT_TRUE(told.header);
  EXPECT_EQ(told.version, at(5));
}

TEST_F(HolderCommit, Z8_ACutLowersToldAtOnceAndInvalidatesFromIt) {
  know(3 * kPageSize);
  inval(5, {}, header_of(5, kPageSize, {{Generation(1), kPageSize}}));
  EXPECT_EQ(holder.find(kIno)->told, kPageSize);
  const Job shrink = job();
  EXPECT_EQ(shrink.kind, Job::Kind::shrink);
  EXPECT_EQ(shrink.offset, kPageSize);
  EXPECT_TRUE(sent<Invalidated>().empty());
  done(shrink.ticket);
  EXPECT_TRUE(only(sent<Invalidated>()).header);
}

TEST_F(HolderCommit, F6_ZerosOfTheKernelsOwnCutAreNoStoresUntilItIsThrough) {
  const std::vector<Cut> cut{{Generation(1), 100}};
  open();
  know(kPageSize);
  inval(5, {}, header_of(5, 100, cut));
  const Job shrink = job();
  resize(50, kPageSize);  // grown again here while the kernel cuts
  const CommitId grown = submitted().id;
  settled(grown, 6, {}, header_of(6, kPageSize, cut), false);
  EXPECT_EQ(size_told(50), kPageSize);
  settled(grown, 6, {}, header_of(6, kPageSize, cut), true);
  kernel(SetattrAnswered{kIno, WallTime{7000}});
  read(51, 0);
  data(fetch(), 6, filled('b'), false, 1);
  Bytes page = whole('b');
  std::fill(page.begin() + 100, page.end(), std::byte{});
  page[1] = std::byte('x');
  mapped(52, 0, page);
  sync(53);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{1, "x"}}));
  settled(submitted().id, 7, {}, header_of(6, kPageSize, cut));
  EXPECT_EQ(status(53), Status::ok);
  for (Ticket ticket = shrink.ticket; ticket;) {  // the page goes once more
    done(ticket);
    ticket = all<Job>().empty() ? Ticket() : job().ticket;
  }
  EXPECT_FALSE(holder.find(kIno)->pages.at(PageNo(0)).copy);
  read(56, 0);
  data(fetch(), 7, filled('b'), false, 1);
  page[1] = std::byte('b');
  mapped(54, 0, page);
  sync(55);
  EXPECT_TRUE(text(submitted().change)[100] == std::string(kPageSize - 100, '\0'))
      << "from now on a zero is a store";
}

TEST_F(HolderCommit, Z9_AnsweredAtItsDecisionWhileABarIsUpAndPushesWaitForTheAnswer) {
  open();
  know(2 * kPageSize);
  cached(0, 1, 'a');
  inval(4, {{PageNo(0), 1}});
  const Job drop = job();
  resize(50, 3 * kPageSize);
  const CommitId id = submitted().id;
  EXPECT_FALSE(size_told(50)) << "not before its decision";
  settled(id, 5, {}, header_of(5, 3 * kPageSize), false);
  EXPECT_EQ(size_told(50), 3 * kPageSize);
  inval(6, {}, header_of(6, 4 * kPageSize));
  EXPECT_TRUE(all<Job>().empty()) << "a push waits for the answer";
  kernel(SetattrAnswered{kIno, WallTime{7000}});
  // A cut that the kernel may still be applying is given time first.
  if (all<Job>().empty() && holder.next_deadline() < now + 1s) after(holder.next_deadline() - now);
  const Job voiding = job();
  EXPECT_EQ(voiding.kind, Job::Kind::void_attrs);
  done(voiding.ticket);
  EXPECT_EQ(job().kind, Job::Kind::raise_size);
  EXPECT_EQ(job().after_ctime, WallTime{7000}) << "the kernel must show it first [N13]";
  done(drop.ticket);
}

TEST_F(HolderCommit, Z9_WithoutABarItIsAnsweredWhenItIsDone) {
  open();
  know(2 * kPageSize);
  resize(50, 3 * kPageSize);
  const CommitId id = submitted().id;
  settled(id, 5, {}, header_of(5, 3 * kPageSize), false);
  EXPECT_FALSE(size_told(50));
  settled(id, 5, {}, header_of(5, 3 * kPageSize), true);
  EXPECT_EQ(size_told(50), 3 * kPageSize);
}

TEST_F(HolderCommit, WriteBytesCommitByThemselvesAfter5Seconds) {
  open();
  know(kPageSize);
  write(30, 0, bytes_of("w"));
  EXPECT_LE(holder.next_deadline(), now + 5s);
  after(5s);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{0, "w"}}));
}

}  // namespace
}  // namespace dspm::dsm::test
