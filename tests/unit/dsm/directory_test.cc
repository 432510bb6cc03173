#include "dsm/directory.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace dspm::dsm {
namespace {

constexpr NodeId kA{1}, kB{2}, kC{3};
constexpr Ino kIno{42};
Lsn at(std::uint64_t sequence) { return Lsn(Epoch(1), sequence); }

struct Objects final : PublishedObjects {
  PublishedPage page(Ino, PageNo) const override { return {version, zero_page()}; }
  Header header(Ino) const override { return head; }
  Times times(Ino) const override { return {}; }
  bool contains(const CommitId& id) const override { return id == known; }
  Version version = at(1);
  Header head;
  CommitId known;
};

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() { objects.head.version = at(1); }
  ~DirectoryTest() override { directory.check_invariants(); }

  void fetch(NodeId from, std::uint64_t page = 0) {
    directory.fetch(from, {GroupId(1), Epoch(1), kIno, 1, {PageNo(page), 1}, {}}, out);
    out.clear();
  }
  void fetch_attr(NodeId from) {
    directory.fetch_attr(from, {GroupId(1), Epoch(1), kIno, 1}, out);
    out.clear();
  }
  // A commit of `by` that replaces page 0 as it was published. True: settled.
  bool publish(NodeId by, std::uint64_t version, bool covered = false, PageRuns unread = {}) {
    Published record;
    record.ino = kIno;
    record.id = id(by, version);
    record.version = at(version);
    record.pages = {{PageNo(0), objects.version, covered}};
    record.unread_copies = std::move(unread);
    objects.version = at(version);
    record.header = objects.head;
    return published(record);
  }
  bool publish_header(NodeId by, std::uint64_t version) {
    objects.head.version = at(version);
    Published record{kIno, id(by, version), at(version), {}, {}, {}, true, false, objects.head};
    return published(record);
  }
  bool published(const Published& record) {
    out.clear();
    const bool settled = directory.published(record, out);
    directory.check_invariants();
    return settled;
  }
  std::vector<CommitId> invalidated(NodeId from, std::uint64_t version, bool header = false) {
    return directory.invalidated(from, {GroupId(1), Epoch(1), kIno, at(version),
                                        header ? PageRuns{} : PageRuns{{PageNo(0), 1}}, header});
  }
  static CommitId id(NodeId by, std::uint64_t n) { return {by, Incarnation(7), n}; }
  std::vector<NodeId> told() const {
    std::vector<NodeId> nodes;
    for (const DirectorySend& s : out) {
      if (std::holds_alternative<Inval>(s.message)) nodes.push_back(s.to);
    }
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }
  using Nodes = std::vector<NodeId>;

  Objects objects;
  Directory directory{GroupId(1), Epoch(1), objects};
  DirectorySends out;
};

TEST_F(DirectoryTest, F1_FetchIsAnsweredAtOnceWithWhatIsPublished) {
  objects.known = id(kB, 3);
  directory.fetch(kB, {GroupId(1), Epoch(1), kIno, 9, {PageNo(4), 2}, id(kB, 3)}, out);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].to, kB);
  const Data& data = std::get<Data>(out[0].message);
  EXPECT_EQ(data.request, 9u);
  EXPECT_TRUE(data.contains);
  ASSERT_EQ(data.pages.size(), 2u);
  EXPECT_EQ(data.pages[1].page, PageNo(5));
  EXPECT_EQ(data.pages[1].version, at(1));
}

TEST_F(DirectoryTest, C3_EverySharerOfSomethingOlderIsToldAndNobodyElse) {
  fetch(kA);
  fetch(kB);
  fetch(kC, 1);
  EXPECT_FALSE(publish(kB, 2));
  EXPECT_EQ(told(), Nodes{kA}) << "the committer has what was replaced, n3 another page";
  EXPECT_EQ(invalidated(kA, 2), std::vector{id(kB, 2)});
}

TEST_F(DirectoryTest, F8_AnInvalOfManyPagesComesInParts) {
  Directory small(GroupId(1), Epoch(1), objects, 4);
  small.fetch_attr(kB, {GroupId(1), Epoch(1), kIno, 1}, out);
  small.fetch(kB, {GroupId(1), Epoch(1), kIno, 2, {PageNo(0), 10}, {}}, out);
  Published record;
  record.ino = kIno;
  record.id = id(kA, 2);
  record.version = at(2);
  record.cut_from = kPageSize;
  record.header_changed = true;
  const auto expect_parts = [&] {
    ASSERT_EQ(out.size(), 3u);
    std::uint64_t next = 1;
    for (std::size_t i = 0; i < 3; ++i) {
      const Inval& part = std::get<Inval>(out[i].message);
      EXPECT_EQ(part.header.has_value(), i == 0);
      ASSERT_EQ(part.pages.size(), 1u);
      EXPECT_EQ(part.pages[0].first, PageNo(next));
      EXPECT_LE(part.pages[0].count, 4u);
      next += part.pages[0].count;
    }
    EXPECT_EQ(next, 10u);
  };
  out.clear();
  EXPECT_FALSE(small.published(record, out));
  expect_parts();
  out.clear();
  small.peer_up(kB, Incarnation(7), out);
  expect_parts();
  const Invalidated rest{GroupId(1), Epoch(1), kIno, at(2), {{PageNo(2), 8}}, true};
  EXPECT_TRUE(small.invalidated(kB, rest).empty());
  EXPECT_EQ(small.invalidated(kB, {GroupId(1), Epoch(1), kIno, at(2), {{PageNo(1), 1}}, false}),
            std::vector{id(kA, 2)});
  small.check_invariants();
}

TEST_F(DirectoryTest, F10_WhatNobodyHasIsNotRemembered) {
  directory.peer_up(kB, Incarnation(7), out);
  directory.peer_up(kC, Incarnation(7), out);
  EXPECT_TRUE(publish(kA, 2));
  EXPECT_EQ(directory.pages_known(), 0u);
  fetch(kB);
  fetch(kC, 1);
  EXPECT_EQ(directory.pages_known(), 2u);
  EXPECT_FALSE(publish(kA, 3));
  invalidated(kB, 3);
  EXPECT_EQ(directory.pages_known(), 1u);
  directory.peer_up(kC, Incarnation(8), out);  // its kernel has begun anew
  EXPECT_EQ(directory.pages_known(), 0u);
}

TEST_F(DirectoryTest, C3_NobodyToTellIsSettledAtOnce) {
  EXPECT_TRUE(publish(kB, 2));
  EXPECT_TRUE(told().empty());
}

TEST_F(DirectoryTest, C4_NoRefaultAfterAnOwnMsync) {
  fetch(kB);
  EXPECT_TRUE(publish(kB, 2));
  EXPECT_TRUE(publish(kB, 3)) << "its copy is at the version of its own commit";
  EXPECT_FALSE(publish(kC, 4));
  EXPECT_EQ(told(), Nodes{kB}) << "it is remembered all the same";
}

TEST_F(DirectoryTest, C4_A14_NotExemptWhereItHasSomethingOlder) {
  fetch(kB);
  EXPECT_FALSE(publish(kC, 2));
  EXPECT_FALSE(publish(kB, 3)) << "it owes, and has not what was replaced";
  EXPECT_EQ(told(), Nodes{kB});
}

TEST_F(DirectoryTest, C4_NotExemptInAnotherLife) {
  directory.peer_up(kB, Incarnation(8), out);
  fetch(kB);
  EXPECT_FALSE(publish(kB, 2)) << "the id is of life 7, the copy of life 8";
  EXPECT_EQ(told(), Nodes{kB});
}

TEST_F(DirectoryTest, F7_D1_AListedCopyThatTheRecordCoversIsAdopted) {
  EXPECT_TRUE(publish(kB, 2, true, {{PageNo(0), 1}}));
  EXPECT_FALSE(publish(kC, 3));
  EXPECT_EQ(told(), Nodes{kB}) << "no READ, yet a sharer";
}

TEST_F(DirectoryTest, F7_D5_AListedCopyNotCoveredIsTold) {
  EXPECT_FALSE(publish(kB, 2, false, {{PageNo(0), 1}}));
  EXPECT_EQ(told(), Nodes{kB});
}

TEST_F(DirectoryTest, D1_AListedCoveredCopyIsExemptWhateverItOwes) {
  fetch(kB);
  EXPECT_FALSE(publish(kC, 2));
  EXPECT_TRUE(publish(kB, 3, true, {{PageNo(0), 1}}));
  EXPECT_EQ(invalidated(kB, 2), std::vector{id(kC, 2)});
}

TEST_F(DirectoryTest, F10_A15_AnAnswerForgetsOlderRegistrationsOnly) {
  fetch(kB);
  EXPECT_FALSE(publish(kC, 2));
  fetch(kB);  // at version 2 already, overtakes the answer
  EXPECT_EQ(invalidated(kB, 2), std::vector{id(kC, 2)});
  EXPECT_FALSE(publish(kC, 3));
  EXPECT_EQ(told(), Nodes{kB});
}

TEST_F(DirectoryTest, F10_AnsweredMeansForgottenAndAHigherAnswerSettlesTheLower) {
  fetch(kB);
  EXPECT_FALSE(publish(kC, 2));
  EXPECT_FALSE(publish(kC, 3));
  EXPECT_EQ(invalidated(kB, 3), (std::vector{id(kC, 2), id(kC, 3)}));
  EXPECT_TRUE(publish(kC, 4));
  EXPECT_TRUE(invalidated(kB, 3).empty()) << "may be repeated [M1]";
}

TEST_F(DirectoryTest, C3_WaitsForEachSharer) {
  fetch(kA);
  fetch(kB);
  EXPECT_FALSE(publish(kC, 2));
  EXPECT_TRUE(invalidated(kA, 2).empty());
  EXPECT_TRUE(invalidated(kA, 2).empty()) << "one node's answer counts once";
  EXPECT_EQ(invalidated(kB, 2), std::vector{id(kC, 2)});
  EXPECT_EQ(directory.waiting(), 0u);
}

TEST_F(DirectoryTest, F10_HeaderSharersStay) {
  fetch_attr(kB);
  EXPECT_FALSE(publish_header(kC, 2));
  EXPECT_EQ(told(), Nodes{kB});
  EXPECT_EQ(std::get<Inval>(out[0].message).header, objects.head) << "it carries the header";
  EXPECT_EQ(invalidated(kB, 2, true), std::vector{id(kC, 2)});
  EXPECT_FALSE(publish_header(kC, 3));
  EXPECT_EQ(told(), Nodes{kB});
}

TEST_F(DirectoryTest, C4_NoPushOfTheOwnGrowth) {
  fetch_attr(kB);
  fetch_attr(kC);
  EXPECT_FALSE(publish_header(kB, 2));
  EXPECT_EQ(told(), Nodes{kC});
}

TEST_F(DirectoryTest, C6_ASetSizeThatChangesNothingWaitsForThoseWhoOweThePresentOne) {
  fetch_attr(kB);
  EXPECT_FALSE(publish_header(kC, 2));
  Published same{kIno, id(kA, 3), at(3), {}, {}, {}, false, true, objects.head};
  EXPECT_FALSE(published(same));
  EXPECT_EQ(invalidated(kB, 2, true), (std::vector{id(kC, 2), id(kA, 3)}));
  same.id = id(kA, 4);
  same.version = at(4);
  EXPECT_TRUE(published(same)) << "nobody owes any more";
}

TEST_F(DirectoryTest, Z4_ACutTellsAllSharersOfWhatItClears) {
  fetch(kB, 0);
  fetch(kB, 1);
  fetch(kC, 2);
  Published cut{kIno, id(kA, 2), at(2), {}, {}, kPageSize, true, false, objects.head};
  EXPECT_FALSE(published(cut));
  EXPECT_EQ(told(), (Nodes{kB, kC}));
  for (const DirectorySend& s : out) {
    EXPECT_EQ(std::get<Inval>(s.message).pages.front().first, PageNo(s.to == kB ? 1 : 2));
  }
}

TEST_F(DirectoryTest, M1_WhatIsOwedIsAskedAgainWhenThePeerIsUp) {
  directory.peer_up(kB, Incarnation(7), out);
  fetch(kB);
  fetch_attr(kB);
  EXPECT_FALSE(publish(kC, 2));
  EXPECT_FALSE(publish_header(kC, 3));
  out.clear();
  directory.peer_up(kB, Incarnation(7), out);
  PageRuns pages;
  bool header = false;
  for (const DirectorySend& s : out) {
    const Inval& inval = std::get<Inval>(s.message);
    pages.insert(pages.end(), inval.pages.begin(), inval.pages.end());
    header |= inval.header.has_value();
  }
  EXPECT_EQ(pages, (PageRuns{{PageNo(0), 1}}));
  EXPECT_TRUE(header);
}

TEST_F(DirectoryTest, M1_ANewLifeSharesNothingButItsWaitsAreStillOwed) {
  directory.peer_up(kB, Incarnation(7), out);
  fetch(kB);
  fetch(kB, 1);
  EXPECT_FALSE(publish(kC, 2));
  out.clear();
  directory.peer_up(kB, Incarnation(8), out);
  EXPECT_EQ(told(), Nodes{kB});
  EXPECT_EQ(invalidated(kB, 2), std::vector{id(kC, 2)});
  EXPECT_TRUE(publish(kC, 3));
}

}  // namespace
}  // namespace dspm::dsm
