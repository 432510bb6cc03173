// Sizes beside what else happens to them; a home that begins anew [1.6] [1.15] [1.16] [Z5] [Z8]
// [P6].
#include "tests/unit/dsm/holder_fixture.h"

namespace dspm::dsm::test {
namespace {

class HolderSize : public HolderTest {
 protected:
  static Header cut_to(std::uint64_t version, std::uint64_t size) {
    return header_of(version, size, {{Generation(1), size}});
  }
};

TEST_F(HolderSize, Z6_BytesThatWritePutSinceTheCutAreExempt) {
  open();
  know(2 * kPageSize);
  cached(1, 1, 'a');
  inval(5, {}, cut_to(5, kPageSize));
  write(30, kPageSize + 5, bytes_of("ww"));
  Bytes page = whole('a');
  page[2] = std::byte('x');  // from before the cut
  page[5] = std::byte('m');  // over what the write() put
  page[6] = std::byte('w');
  mapped(31, kPageSize, page);
  sync(32);
  EXPECT_EQ(text(submitted().change),
            (std::map<std::uint64_t, std::string>{{kPageSize + 5, "mw"}}));
}

// [1.16] At an equal size the kernel would keep its pages beyond it.
TEST_F(HolderSize, Z9_WhereACopyReachesBeyondTheKernelsSizeIsRaisedFirst) {
  open();
  know(3 * kPageSize);
  cached(2, 1, 'a');
  resize(50, kPageSize);
  settled(submitted().id, 5, {}, cut_to(5, kPageSize));
  const Job raise = job();
  EXPECT_EQ(raise.kind, Job::Kind::raise_size);
  EXPECT_GT(raise.size, 3 * kPageSize);
  EXPECT_GE(raise.offset, raise.size) << "it drops nothing";
  EXPECT_FALSE(size_told(50));
  done(raise.ticket);
  EXPECT_EQ(size_told(50), kPageSize);
}

// [1.15] The answer of a SETATTR(size) may undo a push that is under way.
TEST_F(HolderSize, Z9_APushThatMetASetattrAnswerIsMadeAgain) {
  open();
  know(kPageSize);
  inval(5, {}, header_of(5, 3 * kPageSize));
  const Job first = job();
  resize(50, 4 * kPageSize);
  settled(submitted().id, 6, {}, header_of(6, 4 * kPageSize), false);
  EXPECT_EQ(size_told(50), 4 * kPageSize) << "somebody waits for the header";
  done(first.ticket);
  EXPECT_TRUE(all<Job>().empty()) << "not before the kernel has taken the answer";
  EXPECT_TRUE(sent<Invalidated>().empty());
  kernel(SetattrAnswered{kIno, WallTime{7000}});
  if (all<Job>().empty()) after(kCuttingTime);
  while (sent<Invalidated>().empty()) {
    ASSERT_EQ(all<Job>().size(), 1u);
    done(job().ticket);
  }
  EXPECT_GE(only(sent<Invalidated>()).version, at(5));
}

// A LOOKUP is answered, its inode not made yet: what is told then is lost.
TEST_F(HolderSize, Z8_ASizeThatCameBeforeItsInodeIsToldAgain) {
  know(kPageSize);
  inval(5, {}, header_of(5, 3 * kPageSize));
  const Job first = job();
  done(first.ticket, true);
  EXPECT_TRUE(sent<Invalidated>().empty());
  EXPECT_TRUE(all<Job>().empty()) << "not at once";
  after(kPushRetry);
  const Job voiding = job();
  EXPECT_EQ(voiding.kind, Job::Kind::void_attrs);
  done(voiding.ticket);
  const Job raise = job();
  EXPECT_EQ(raise.size, 3 * kPageSize);
  done(raise.ticket, true);
  EXPECT_TRUE(sent<Invalidated>().empty());
  getattr(40);
  attr(only(sent<FetchAttr>()).request, header_of(5, 3 * kPageSize));
  EXPECT_EQ(size_told(40), 3 * kPageSize) << "an answer names the newest meanwhile";
  after(kPushRetry);
  done(job().ticket);
  done(job().ticket);
  EXPECT_TRUE(only(sent<Invalidated>()).header);
}

TEST_F(HolderSize, Z8_AShrinkThatCameBeforeItsInodeIsToldAgain) {
  know(3 * kPageSize);
  inval(5, {}, cut_to(5, kPageSize));
  done(job().ticket, true);
  EXPECT_TRUE(sent<Invalidated>().empty());
  after(kPushRetry);
  EXPECT_EQ(job().kind, Job::Kind::shrink);
  done(job().ticket);
  EXPECT_TRUE(only(sent<Invalidated>()).header);
}

TEST_F(HolderSize, Z8_NobodyWaitsForAnInodeThatIsGone) {
  know(kPageSize);
  after(kInodeTime);
  inval(5, {}, header_of(5, 3 * kPageSize));
  done(job().ticket, true);
  done(job().ticket, true);
  EXPECT_TRUE(only(sent<Invalidated>()).header);
}

TEST_F(HolderSize, Z8_NorForOneThatIsForgotten) {
  know(kPageSize);
  inval(5, {}, header_of(5, 3 * kPageSize));
  const Job voiding = job();
  kernel(Forgotten{kIno});
  done(voiding.ticket, true);
  done(job().ticket, true);
  EXPECT_TRUE(only(sent<Invalidated>()).header);
}

// FORGET of the inode that was, while its next LOOKUP is on its way.
TEST_F(HolderSize, Z8_ForgetBesideALookupLosesNoSize) {
  know(kPageSize);
  getattr(40);
  const FetchAttr asked = only(sent<FetchAttr>());
  kernel(Forgotten{kIno});
  inval(5, {}, header_of(5, 3 * kPageSize));
  const Job lost = job();
  attr(asked.request, header_of(1, kPageSize));  // asked before, come after
  EXPECT_TRUE(size_told(40)) << "the inode is made of this answer";
  done(lost.ticket, true);
  EXPECT_TRUE(sent<Invalidated>().empty());
  after(kPushRetry);
  done(job().ticket);
  EXPECT_EQ(job().size, 3 * kPageSize);
  done(job().ticket);
  EXPECT_TRUE(only(sent<Invalidated>()).header);
}

TEST_F(HolderSize, Z5_ACommitBearsTheNewestStampUnlessTimesWereSet) {
  open();
  know(kPageSize);
  write(30, 0, bytes_of("a"));
  kernel(WriteRequest{Unique(31), kIno, 1, bytes_of("b"), false, false, {5000}});
  sync(32);
  EXPECT_EQ(submitted().change.touch, WallTime{5000});
  settled(submitted().id, 2, {}, header_of(1, kPageSize));
  write(33, 0, bytes_of("c"));
  kernel(TimesRequest{Unique(34), kIno, {.mtime = WallTime{77}}});
  EXPECT_EQ(submitted().change.times->mtime, WallTime{77});
  settled(submitted().id, 3, {}, header_of(1, kPageSize));
  sync(35);
  EXPECT_FALSE(submitted().change.touch) << "what was written before the times bears none";
}

TEST_F(HolderSize, P6_ANewLifeOfTheHomeTakesPagesAndFloorsButNotWhatIsStaged) {
  open();
  know(2 * kPageSize);
  cached(0, 9, 'a');
  write(30, 0, bytes_of("w"));
  new_life(Epoch(2));
  const FetchAttr asked = only(sent<FetchAttr>());
  EXPECT_EQ(asked.epoch, Epoch(2));
  const Job drop = job();
  EXPECT_EQ(drop.kind, Job::Kind::drop);
  sync(31);
  EXPECT_TRUE(all<SubmitCommit>().empty()) << "its header is not known";
  Header header = header_of(1, 2 * kPageSize);
  header.version = at(1, 2);
  attr(asked.request, header);
  EXPECT_EQ(text(submitted().change), (std::map<std::uint64_t, std::string>{{0, "w"}}));
  done(drop.ticket);
  read(40, 1);
  EXPECT_EQ(fetch().epoch, Epoch(2));
}

TEST_F(HolderSize, P6_WhatWasDecidedAndLostIsUnknownToItsFsync) {
  open();
  know(kPageSize);
  write(30, 0, bytes_of("a"));
  sync(31);
  const CommitId id = submitted().id;
  settled(id, 2, {}, header_of(1, kPageSize), false);
  lost(id);
  EXPECT_EQ(status(31), Status::unknown);
  sync(32);
  EXPECT_EQ(status(32), Status::ok) << "nothing is in flight any more";
}

}  // namespace
}  // namespace dspm::dsm::test
