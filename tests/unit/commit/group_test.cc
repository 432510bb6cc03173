#include "commit/group.h"

#include <gtest/gtest.h>

namespace dspm::commit {
namespace {

constexpr Ino kIno{42};
constexpr NodeId kB{2}, kC{3};

struct NothingCached final : KernelCopies {
  void kernel_copies(Ino, const PageRun&, std::vector<KernelCopy>&) const override {}
};

class GroupTest : public ::testing::Test {
 protected:
  GroupTest() {
    group.begin({Epoch(1), NodeId(1), {NodeId(1)}, {}}, Time{}, out);
    group.durable(Lsn(Epoch(1), 1), Time{}, out);
    out.clear();
  }
  ~GroupTest() override { group.check_invariants(); }

  static CommitId id(NodeId node, std::uint64_t n) { return {node, Incarnation(7), n}; }
  static Commit store(NodeId node, std::uint64_t n, char c, std::uint64_t generation = 0) {
    Commit m{GroupId(1), Epoch(1), id(node, n), 1, 1, {}};
    m.change.ino = kIno;
    m.change.generation = Generation(generation);
    m.change.extents = {{0, Bytes(2, std::byte(c))}};
    return m;
  }
  static Commit grow(NodeId node, std::uint64_t n, std::uint64_t size) {
    Commit m = store(node, n, 'g');
    m.change.grow_to = size;
    return m;
  }
  static Commit cut(NodeId node, std::uint64_t n, std::uint64_t to, std::uint64_t generation = 0) {
    Commit m{GroupId(1), Epoch(1), id(node, n), 1, 1, {}};
    m.change.ino = kIno;
    m.change.generation = Generation(generation);
    m.change.set_size = to;
    return m;
  }
  void commit(const Commit& m) {
    out.clear();
    group.commit(m.id.node, m, out);
    group.check_invariants();
  }
  // The n-th record behind the View.
  static Lsn at(std::uint64_t n) { return Lsn(Epoch(1), n + 1); }
  void durable(std::uint64_t n) {
    out.clear();
    group.durable(at(n), Time{}, out);
    group.check_invariants();
  }
  // Ordered, durable, settled.
  void whole(const Commit& m) {
    commit(m);
    ASSERT_EQ(all<AppendRecord>().size(), 1u);
    durable(all<AppendRecord>()[0].record->lsn.sequence() - 1);
    out.clear();
    group.settled(m.id, out);
  }
  template <class T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const GroupEffect& e : out) {
      if (const auto* t = std::get_if<T>(&e)) found.push_back(*t);
    }
    return found;
  }
  template <class T>
  std::vector<T> sent() const {
    std::vector<T> found;
    for (const GroupSend& s : all<GroupSend>()) {
      if (const auto* t = std::get_if<T>(&s.message)) found.push_back(*t);
    }
    return found;
  }
  char byte() const { return char(group.page(kIno, PageNo(0)).bytes->data[0]); }

  std::vector<CommitId> published;
  NothingCached cached;
  Group group{GroupId(1), NodeId(1), {}, cached, [this](const Record& r, bool) {
                published.push_back(r.id);
              }};
  GroupEffects out;
};

TEST_F(GroupTest, C2_NothingIsPublishedBeforeTheLogIsDurable) {
  commit(store(kB, 1, 'b'));
  const auto append = all<AppendRecord>();
  ASSERT_EQ(append.size(), 1u);
  EXPECT_EQ(append[0].record->lsn, at(1));
  EXPECT_EQ(out.size(), 1u) << "no answer either";
  EXPECT_FALSE(group.contains(id(kB, 1)));
  EXPECT_EQ(byte(), '\0');
  durable(1);
  ASSERT_EQ(all<Published>().size(), 1u);
  EXPECT_EQ(all<Published>()[0].version, at(1));
  EXPECT_TRUE(group.contains(id(kB, 1)));
  EXPECT_EQ(byte(), 'b');
}

TEST_F(GroupTest, C2_RecordsArePublishedInTheirOrder) {
  commit(store(kB, 1, 'b'));
  commit(store(kC, 1, 'c'));
  durable(2);
  EXPECT_EQ(published, (std::vector{id(kB, 1), id(kC, 1)}));
  EXPECT_EQ(byte(), 'c');
  EXPECT_EQ(all<Published>()[1].pages[0].replaced, at(1));
}

TEST_F(GroupTest, C3_DecidedWhereDoneCannotFollowThenDoneWithTheSame) {
  commit(store(kB, 1, 'b'));
  durable(1);
  out.clear();
  group.unsettled(id(kB, 1), out);
  ASSERT_EQ(sent<Decided>().size(), 1u);
  const Settlement decided = sent<Decided>()[0].settlement;
  out.clear();
  group.settled(id(kB, 1), out);
  ASSERT_EQ(sent<Done>().size(), 1u);
  EXPECT_EQ(sent<Done>()[0].settlement.version, decided.version);
  EXPECT_EQ(sent<Done>()[0].settlement.header, decided.header);
}

TEST_F(GroupTest, C7_ARepeatedCommitTakesEffectOnce) {
  const Commit m = store(kB, 1, 'b');
  commit(m);
  commit(m);
  EXPECT_TRUE(out.empty()) << "its answer is on the way";
  durable(1);
  commit(m);
  EXPECT_EQ(sent<Decided>().size(), 1u);
  out.clear();
  group.settled(m.id, out);
  commit(store(kC, 1, 'c'));
  durable(2);
  commit(m);
  EXPECT_EQ(sent<Done>().size(), 1u) << "the outcome comes first";
  EXPECT_TRUE(all<AppendRecord>().empty());
  EXPECT_EQ(byte(), 'c');
}

TEST_F(GroupTest, C7_OnlyWhatIsDoneEverywhereIsForgotten) {
  whole(store(kB, 1, 'b'));
  whole(store(kB, 2, 'b'));
  EXPECT_EQ(group.replica().outcomes().size(), 2u);
  Commit third = store(kB, 3, 'b');
  third.done_below = 2;
  whole(third);
  EXPECT_EQ(group.replica().outcomes().size(), 2u);
  commit(store(kB, 1, 'x'));
  EXPECT_TRUE(all<AppendRecord>().empty()) << "an old copy of it does nothing";
}

TEST_F(GroupTest, Z3_AnOlderGenerationIsRefusedAndTheNextAttemptTaken) {
  whole(grow(kB, 1, 8192));
  whole(cut(kB, 2, 100));
  Commit late = store(kC, 1, 'c', 0);
  commit(late);
  ASSERT_EQ(sent<Refused>().size(), 1u);
  const Refused refused = sent<Refused>()[0];
  EXPECT_EQ(refused.reason, Status::gone);
  EXPECT_EQ(refused.attempt, 1u);
  EXPECT_EQ(refused.header.generation, Generation(1));
  EXPECT_EQ(refused.header.size, 100u);
  commit(late);
  EXPECT_EQ(sent<Refused>().size(), 1u) << "the same attempt again: the same answer";
  late.attempt = 2;
  late.change.generation = Generation(1);
  commit(late);
  EXPECT_EQ(all<AppendRecord>().size(), 1u);
}

// Whoever truncates beside those that append would never come to it otherwise.
TEST_F(GroupTest, Z4_ASetSizeIsTakenWhateverTheSizeHasBecome) {
  whole(grow(kB, 1, 8192));
  commit(grow(kB, 2, 9000));
  commit(cut(kC, 1, 0));
  ASSERT_EQ(all<AppendRecord>().size(), 1u);
  EXPECT_EQ(all<AppendRecord>()[0].record->header.generation, Generation(1));
  durable(3);
  EXPECT_EQ(group.header(kIno).size, 0u);
}

TEST_F(GroupTest, Z3_ARefusalWaitsUntilWhatItRestsOnIsDecided) {
  whole(grow(kB, 1, 8192));
  commit(cut(kB, 2, 100));
  commit(store(kC, 1, 'c', 0));
  EXPECT_TRUE(sent<Refused>().empty()) << "the cut is ordered, not decided";
  durable(2);
  ASSERT_EQ(sent<Refused>().size(), 1u);
  EXPECT_EQ(sent<Refused>()[0].header.generation, Generation(1));
}

TEST_F(GroupTest, Z3_ARefusalWaitsForNothingThatCameSince) {
  whole(grow(kB, 1, 8192));
  commit(cut(kB, 2, 100));       // record 2
  commit(store(kC, 1, 'c', 0));  // of the old generation
  commit(store(kB, 3, 'b', 1));  // record 3: the object is busy all the time
  durable(2);
  ASSERT_EQ(sent<Refused>().size(), 1u);
  EXPECT_EQ(sent<Refused>()[0].id, id(kC, 1));
  EXPECT_EQ(sent<Refused>()[0].header.generation, Generation(1));
  commit(store(kC, 1, 'c', 0));
  EXPECT_EQ(sent<Refused>().size(), 1u) << "the same attempt again: the same answer";
  durable(3);
  EXPECT_TRUE(sent<Refused>().empty());
}

TEST_F(GroupTest, Z2_UpwardsIsTheSameGenerationAndDownwardsTheNext) {
  whole(grow(kB, 1, 100));
  whole(cut(kB, 2, 5000));
  EXPECT_EQ(group.header(kIno).generation, Generation(0));
  whole(cut(kB, 3, 50));
  EXPECT_EQ(group.header(kIno).generation, Generation(1));
  EXPECT_EQ(group.header(kIno).cuts, (std::vector<Cut>{{Generation(1), 50}}));
}

TEST_F(GroupTest, C6_ASetSizeThatChangesNothingWaitsForThePresentHeader) {
  whole(grow(kB, 1, 100));
  const Version before = group.header(kIno).version;
  commit(cut(kC, 1, 100));
  durable(2);
  ASSERT_EQ(all<Published>().size(), 1u);
  EXPECT_FALSE(all<Published>()[0].header_changed);
  EXPECT_TRUE(all<Published>()[0].waits_for_header);
  EXPECT_EQ(group.header(kIno).version, before);
}

}  // namespace
}  // namespace dspm::commit
