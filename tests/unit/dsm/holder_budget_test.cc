// Memory: the budgets of twins and of staged pages [F4] [F11], 2-kernel rule 2.
#include "tests/unit/dsm/holder_fixture.h"

namespace dspm::dsm::test {
namespace {

class HolderBudget : public HolderTest {
 protected:
  HolderBudget() : HolderTest({.twins = 4, .staged = 4}) {}

  std::uint64_t twins() const {
    std::uint64_t n = 0;
    for (const auto& [number, page] : holder.find(kIno)->pages) n += page.twin != nullptr;
    return n;
  }
  // READs of pages until one makes room; its job.
  Job fill(std::uint64_t pages) {
    for (std::uint64_t p = 0; p < pages; ++p) {
      cached(p, 1, 'a');
      if (!all<Job>().empty()) return job();
    }
    ADD_FAILURE() << "no page was dropped";
    return {};
  }
};

TEST_F(HolderBudget, F4_OverItPagesAreDroppedAndThenTheirTwinsGo) {
  open();
  know(64 * kPageSize);
  const Job drop = fill(6);
  EXPECT_EQ(drop.kind, Job::Kind::drop);
  EXPECT_EQ(twins(), 5u) << "until the kernel has nothing of them";
  done(drop.ticket);
  EXPECT_EQ(twins(), 5u) << "a WRITE may be on its way";
  after(kTwinLinger);
  EXPECT_LE(twins(), 4u);
  EXPECT_EQ(holder.find(kIno)->pages.size(), twins()) << "nor is anything kept of those pages";
}

TEST_F(HolderBudget, F4_NoMoreThanTheBudgetHoweverMuchIsRead) {
  open();
  know(256 * kPageSize);
  for (std::uint64_t p = 0; p < 256; ++p) {
    cached(p, 1, 'a');
    for (const Job& j : all<Job>()) done(j.ticket);
    after(kTwinLinger);
    EXPECT_LE(twins(), 4u);
  }
  EXPECT_LE(holder.find(kIno)->pages.size(), 4u);
}

TEST_F(HolderBudget, F4_ALateWriteStillFindsItsTwin) {
  open();
  know(64 * kPageSize);
  const Job drop = fill(6);
  done(drop.ticket);
  Bytes page = whole('a');
  page[7] = std::byte('x');
  mapped(30, drop.offset, page);
  sync(31);
  EXPECT_EQ(text(submitted().change),
            (std::map<std::uint64_t, std::string>{{drop.offset + 7, "x"}}));
}

TEST_F(HolderBudget, F4_ATwinStaysWhileASetattrHoldsWritesBack) {
  open();
  know(64 * kPageSize);
  const Job drop = fill(6);
  resize(40, 64 * kPageSize);
  done(drop.ticket);
  after(kTwinLinger);
  EXPECT_EQ(twins(), 5u);
}

TEST_F(HolderBudget, F4_APageReadAgainKeepsItsTwin) {
  open();
  know(64 * kPageSize);
  const Job drop = fill(6);
  done(drop.ticket);
  const PageNo page = page_of(drop.offset);
  read(50, page.value);
  data(fetch(), 1, filled('a'));
  after(kTwinLinger);
  EXPECT_TRUE(holder.find(kIno)->pages.at(page).twin);
}

TEST_F(HolderBudget, K3_3_ANotifyCountsAlsoWhenThePageIsForgotten) {
  open();
  know(64 * kPageSize);
  const Job drop = fill(6);
  done(drop.ticket);
  after(kTwinLinger);
  const PageNo page = page_of(drop.offset);
  ASSERT_FALSE(holder.find(kIno)->pages.contains(page));
  read(50, page.value);
  data(fetch(), 1, filled('a'));
  write(51, drop.offset, bytes_of("w"));  // copied before the drop, for all we know
  EXPECT_FALSE(status(51));
}

TEST_F(HolderBudget, Rule2_WritesWaitWhenHalfOfItIsStaged) {
  open();
  know(64 * kPageSize);
  write(30, 0, Bytes(2 * kPageSize, std::byte('a')));
  EXPECT_EQ(status(30), Status::ok);
  write(31, 2 * kPageSize, bytes_of("b"));
  EXPECT_FALSE(status(31)) << "slowed down";
  const CommitId id = submitted().id;  // and committed early
  settled(id, 2, {}, header_of(1, 64 * kPageSize));
  EXPECT_EQ(status(31), Status::ok);
}

TEST_F(HolderBudget, Rule2_ButNoLongerThan20Ms) {
  open();
  know(64 * kPageSize);
  write(30, 0, Bytes(3 * kPageSize, std::byte('a')));
  EXPECT_FALSE(status(30));
  after(kWriteHold);
  EXPECT_EQ(status(30), Status::ok);
}

TEST_F(HolderBudget, Rule2_AWriteThatFindsNoMemoryIsEnospcAndItsPagesGo) {
  open();
  know(64 * kPageSize);
  cached(9, 1, 'a');
  write(30, 0, Bytes(4 * kPageSize, std::byte('a')));
  write(31, 9 * kPageSize, bytes_of("no"));
  EXPECT_EQ(status(31), Status::no_space);
  EXPECT_EQ(job().offset, 9 * kPageSize);
  sync(32);
  settled(CommitId{kSelf, Incarnation(7), 1}, 2, {}, header_of(1, 64 * kPageSize));
  EXPECT_TRUE(all<SubmitCommit>().empty()) << "nothing of it was staged";
}

TEST_F(HolderBudget, F11_AMappedWriteThatFindsNoMemoryPoisons) {
  open();
  know(64 * kPageSize);
  for (std::uint64_t p = 0; p < 4; ++p) {
    cached(p, 1, 'a');
    mapped(30 + p, p * kPageSize, whole('b'));
  }
  cached(4, 1, 'a');
  std::vector<Job> jobs = all<Job>();
  mapped(40, 4 * kPageSize, whole('b'));
  EXPECT_EQ(status(40), Status::ok) << "never failed";
  for (const Job& j : all<Job>()) jobs.push_back(j);
  EXPECT_EQ(holder.find(kIno)->staged.page_count(), 0u);
  for (const Job& j : jobs) done(j.ticket);
  sync(41);
  EXPECT_EQ(status(41), Status::unknown);
  EXPECT_TRUE(all<SubmitCommit>().empty()) << "never half a set";
}

}  // namespace
}  // namespace dspm::dsm::test
