// SETATTR(size) that meets errors, pushes and GETATTRs (3-protocol Z8, Z9; 2-kernel rule 19).
#include "tests/unit/dsm/holder_fixture.h"

namespace dspm::dsm::test {
namespace {

class HolderSetattr : public HolderTest {
 protected:
  // SETATTR(size) 10 cuts 8192 to 100: decided, its raise of i_size has been asked for.
  Job cut_decided(bool is_done = true) {
    open();
    know(8192);
    cached(1, 1, 'a');
    resize(10, 100);
    commit = submitted().id;
    settled(commit, 2, {}, header_of(2, 100, {{Generation(1), 100}}), is_done);
    return is_done ? job() : Job{};
  }
  CommitId commit;
};

// A push raises the kernel's size; a cut and a smaller growth learnt in one must lower it again.
TEST_F(HolderSetattr, Rule19_CutAndGrownInOneAfterAPushLowersTheKernelsSize) {
  open();
  know(100);
  inval(2, {}, header_of(2, 8192));  // grown elsewhere
  done(job().ticket);                // voided
  const Job raise = job();
  ASSERT_EQ(raise.kind, Job::Kind::raise_size);
  inval(3, {}, header_of(3, 50, {{Generation(1), 50}}));
  inval(4, {}, header_of(4, 200, {{Generation(1), 50}}));
  done(raise.ticket);  // i_size 8192
  done(job().ticket);  // voided
  const Job second = job();
  ASSERT_EQ(second.kind, Job::Kind::raise_size);
  EXPECT_EQ(second.size, 200u);
  done(second.ticket);
  EXPECT_EQ(job().kind, Job::Kind::shrink) << "i_size is 8192, O_APPEND would write there";
}

// A GETATTR that names less than what a push has raised may make the kernel cut its pages.
TEST_F(HolderSetattr, F6_AGetattrBelowAPushedSizeIsNotedAsAShrink) {
  open();
  know(100);
  inval(2, {}, header_of(2, 8192));
  done(job().ticket);
  done(job().ticket);
  getattr(10);
  const FetchAttr asked = only(sent<FetchAttr>());
  attr(asked.request, header_of(3, 200, {{Generation(1), 150}}));
  ASSERT_EQ(size_told(10), 150u);  // told, push to come
  EXPECT_EQ(holder.find(kIno)->shrunk_to, 150u);
}

TEST_F(HolderSetattr, Z9_ATruncateAnsweredWithAnErrorIsToldToTheKernelByAPush) {
  done(cut_decided().ticket);  // raised beyond
  ASSERT_EQ(size_told(10), 100u);
  kernel(SetattrAnswered{kIno, WallTime{0}});  // the name store failed, say
  const Job push = job();                      // the kernel has size 8192 (or more) and page 1
  EXPECT_EQ(push.kind, Job::Kind::shrink);
  EXPECT_EQ(push.size, 100u);
  done(push.ticket);
  EXPECT_EQ(holder.find(kIno)->kernel_high, 100u);
}

TEST_F(HolderSetattr, Z9_AGrowthAnsweredWithAnErrorIsToldToTheKernelByAPush) {
  open();
  know(100);
  resize(10, 8192);
  settled(submitted().id, 2, {}, header_of(2, 8192));
  ASSERT_EQ(size_told(10), 8192u);
  kernel(SetattrAnswered{kIno, WallTime{0}});
  ASSERT_EQ(job().kind, Job::Kind::void_attrs);
  done(job().ticket);
  EXPECT_EQ(job().kind, Job::Kind::raise_size);
  EXPECT_EQ(job().size, 8192u);
  EXPECT_EQ(job().offset, 0u) << "the page of the old end goes";
}

// It would undo the raise: the SETATTR's answer then finds an equal size and drops nothing [1.16].
TEST_F(HolderSetattr, Z9_NoGetattrIsAnsweredWhileASetattrRaisesTheSize) {
  const Job raise = cut_decided();
  ASSERT_EQ(raise.kind, Job::Kind::raise_size);
  getattr(11);
  attr(only(sent<FetchAttr>()).request, header_of(2, 100, {{Generation(1), 100}}));
  EXPECT_FALSE(size_told(11));
  done(raise.ticket);
  EXPECT_EQ(size_told(10), 100u);
  EXPECT_EQ(size_told(11), 100u) << "nothing else brings it";
}

// The raise of a SETATTR that was answered with an error is no raise of the next one's.
TEST_F(HolderSetattr, Z9_ALateRaiseAnswersNoOtherSetattr) {
  const Job raise = cut_decided();
  after(30s);
  ASSERT_EQ(status(10), Status::unknown);
  kernel(SetattrAnswered{kIno, WallTime{0}});
  resize(11, 50);
  const SubmitCommit second = submitted();
  done(raise.ticket);
  EXPECT_FALSE(size_told(11)) << "its commit is not decided";
  returned(second.id, Status::no_space, header_of(2, 100, {{Generation(1), 100}}));
  ASSERT_EQ(status(11), Status::no_space);
  kernel(SetattrAnswered{kIno, WallTime{0}});
  EXPECT_EQ(holder.find(kIno)->push.phase, Push::Phase::dropping) << "what was raised falls again";
}

TEST_F(HolderSetattr, C8_ATruncateWhoseCommitIsLostIsAnError) {
  cut_decided(false);
  ASSERT_TRUE(holder.find(kIno)->resize->decided);
  lost(commit);
  EXPECT_EQ(status(10), Status::unknown);
  EXPECT_FALSE(size_told(10));
}

// An FSYNC of a poisoned object waits for its drops; what has been decided does not wait with it.
TEST_F(HolderSetattr, F11_APoisonedFsyncHoldsUpNoSetattr) {
  open();
  know(8192);
  resize(10, 9000);  // no copy beyond it: answered without a raise
  const SubmitCommit cut = submitted();
  mapped(4, 0, whole('m'));  // no twin: poisons
  ASSERT_FALSE(all<Job>().empty());
  sync(5);
  settled(cut.id, 2, {}, header_of(2, 9000));
  EXPECT_FALSE(status(5)) << "its pages have not left the kernel";
  EXPECT_EQ(size_told(10), 9000u);
}

}  // namespace
}  // namespace dspm::dsm::test
