// What the tree promises over any NameStore: rename, and listings beside it.
// `Stores` as tree_fixture.h says.
#pragma once

#include "tests/unit/namespace/tree_fixture.h"

namespace dspm::test {

template <class Stores>
class TreeMoves : public TreeFixture<Stores> {};
TYPED_TEST_SUITE_P(TreeMoves);

TYPED_TEST_P(TreeMoves, RenameOfFilesAlsoOverOthers) {
  const Ino a = this->make(0, kRootIno, "a")->ino, b = this->make(0, kRootIno, "b")->ino;
  const Ino dir = this->mkdir(0, kRootIno, "d");
  EXPECT_EQ(this->rename(1, kRootIno, "a", kRootIno, "b", true), Status::exists);
  EXPECT_EQ(this->rename(1, kRootIno, "a", kRootIno, "d"), Status::is_directory);
  EXPECT_EQ(this->rename(1, kRootIno, "none", kRootIno, "b"), Status::no_entry);
  EXPECT_EQ(this->rename(1, kRootIno, "a", kRootIno, "a"), Status::ok);
  ASSERT_EQ(this->rename(1, kRootIno, "a", kRootIno, "b"), Status::ok);
  EXPECT_EQ(this->lookup(0, kRootIno, "a").status(), Status::no_entry);
  EXPECT_EQ(this->lookup(0, kRootIno, "b")->ino, a);
  EXPECT_EQ(this->lookup(0, kRootIno, "b")->ctime, this->at(30));
  EXPECT_TRUE(this->orphan(0, b));
  EXPECT_EQ(this->get(0, b)->nlink, 0u);
  EXPECT_EQ(this->get(0, kRootIno)->entries, 2u);

  ASSERT_EQ(this->rename(0, kRootIno, "b", dir, "c", true), Status::ok);
  EXPECT_EQ(this->lookup(1, dir, "c")->ino, a);
  EXPECT_EQ(this->get(1, kRootIno)->entries, 1u);
  EXPECT_EQ(this->get(1, dir)->entries, 1u);
  EXPECT_EQ(this->list(1, kRootIno), (Strings{"d"}));
}

TYPED_TEST_P(TreeMoves, RenameOfDirectoriesKeepsTheTreeATree) {
  const Ino a = this->mkdir(0, kRootIno, "a"), b = this->mkdir(0, a, "b"),
            c = this->mkdir(0, b, "c");
  const Ino other = this->mkdir(0, kRootIno, "other");
  (void)this->make(0, kRootIno, "f");
  EXPECT_EQ(this->rename(0, kRootIno, "a", c, "x"), Status::invalid);
  EXPECT_EQ(this->rename(0, kRootIno, "a", a, "x"), Status::invalid);
  EXPECT_EQ(this->rename(0, kRootIno, "a", kRootIno, "f"), Status::not_directory);
  EXPECT_EQ(this->rename(0, kRootIno, "other", kRootIno, "a"), Status::not_empty);
  ASSERT_EQ(this->rename(1, a, "b", other, "b2"), Status::ok);
  EXPECT_EQ(this->get(0, b)->parent, other);
  EXPECT_EQ(this->get(0, a)->nlink, 2u);
  EXPECT_EQ(this->get(0, other)->nlink, 3u);
  ASSERT_EQ(this->rename(1, other, "b2", kRootIno, "a"), Status::ok) << "over an empty one";
  EXPECT_EQ(this->get(0, a).status(), Status::gone);
  EXPECT_EQ(this->lookup(0, kRootIno, "a")->ino, b);
  EXPECT_EQ(this->get(0, kRootIno)->nlink, 4u);
  EXPECT_EQ(this->get(0, kRootIno)->entries, 3u);
  EXPECT_EQ(this->get(0, b)->parent, kRootIno);
}

TYPED_TEST_P(TreeMoves, ExchangeGivesEachNameTheOthersObject) {
  const Ino dir = this->mkdir(0, kRootIno, "d"), sub = this->mkdir(0, kRootIno, "sub");
  const Ino a = this->make(0, kRootIno, "a")->ino, b = this->make(0, dir, "b")->ino;
  (void)this->make(0, sub, "inside");
  EXPECT_EQ(this->exchange(1, kRootIno, "a", dir, "none"), Status::no_entry);
  EXPECT_EQ(this->exchange(1, kRootIno, "none", dir, "b"), Status::no_entry);
  ASSERT_EQ(this->exchange(1, kRootIno, "a", dir, "b"), Status::ok);
  EXPECT_EQ(this->lookup(0, kRootIno, "a")->ino, b);
  EXPECT_EQ(this->lookup(0, dir, "b")->ino, a);
  EXPECT_EQ(this->get(0, a)->ctime, this->at(30));
  EXPECT_EQ(this->get(0, b)->nlink, 1u);
  EXPECT_FALSE(this->orphan(0, a) || this->orphan(0, b));
  EXPECT_EQ(this->exchange(1, kRootIno, "a", kRootIno, "a"), Status::ok) << "nothing to do";
  // A directory that is not empty, and a file, across parents: links and counts follow.
  ASSERT_EQ(this->exchange(0, kRootIno, "sub", dir, "b"), Status::ok);
  EXPECT_EQ(this->lookup(1, kRootIno, "sub")->ino, a);
  EXPECT_EQ(this->lookup(1, dir, "b")->ino, sub);
  EXPECT_EQ(this->get(1, sub)->parent, dir);
  EXPECT_EQ(this->get(1, sub)->entries, 1u);
  EXPECT_EQ(this->get(1, dir)->nlink, 3u);
  EXPECT_EQ(this->get(1, dir)->entries, 1u);
  EXPECT_EQ(this->get(1, kRootIno)->nlink, 3u);
  EXPECT_EQ(this->get(1, kRootIno)->entries, 3u);
  ASSERT_EQ(this->exchange(1, kRootIno, "a", kRootIno, "d"), Status::ok) << "in one directory";
  EXPECT_EQ(this->lookup(0, kRootIno, "a")->ino, dir);
  EXPECT_EQ(this->get(0, kRootIno)->nlink, 3u);
}

TYPED_TEST_P(TreeMoves, ExchangeKeepsTheTreeATree) {
  const Ino a = this->mkdir(0, kRootIno, "a"), b = this->mkdir(0, a, "b"),
            c = this->mkdir(0, kRootIno, "c"), d = this->mkdir(0, c, "d");
  EXPECT_EQ(this->exchange(0, kRootIno, "a", a, "b"), Status::invalid) << "into its child";
  EXPECT_EQ(this->exchange(0, a, "b", kRootIno, "a"), Status::invalid) << "over its parent";
  EXPECT_EQ(this->get(0, b)->parent, a);
  ASSERT_EQ(this->exchange(1, a, "b", c, "d"), Status::ok);
  EXPECT_EQ(this->get(0, b)->parent, c);
  EXPECT_EQ(this->get(0, d)->parent, a);
  EXPECT_EQ(this->get(0, a)->nlink, 3u);
  EXPECT_EQ(this->exchange(1, kRootIno, "c", c, "d"), Status::invalid);
  ASSERT_EQ(this->rename(1, kRootIno, "a", b, "in"), Status::ok);
  EXPECT_EQ(this->exchange(1, kRootIno, "c", a, "b"), Status::invalid) << "now below it";
}

// Two renames that each are right and together would cut a cycle loose: one must see the other.
TYPED_TEST_P(TreeMoves, CrossingRenamesOfDirectoriesNeverMakeACycle) {
  for (int round = 0; round < 20; ++round) {
    const std::string n = std::to_string(round);
    const Ino x = this->mkdir(0, kRootIno, "x" + n), y = this->mkdir(1, kRootIno, "y" + n);
    std::optional<Outcome> first, second;
    this->trees[0]->rename(kRootIno, "x" + n, y, "in", false, this->at(1),
                           [&](Outcome o) { first = o; });
    this->trees[1]->rename(kRootIno, "y" + n, x, "in", false, this->at(1),
                           [&](Outcome o) { second = o; });
    ASSERT_TRUE(this->stores.run_until([&] { return first && second; }, 40s));
    EXPECT_NE(bool(*first), bool(*second));
    EXPECT_EQ(first->status() == Status::ok ? second->status() : first->status(), Status::invalid);
    EXPECT_TRUE(this->lookup(0, kRootIno, (*first ? "y" : "x") + n));
  }
}

TYPED_TEST_P(TreeMoves, ListingsGoInTheOrderOfCreationAndEndWhereTheyBegan) {
  const Ino dir = this->mkdir(0, kRootIno, "d");
  for (int i = 0; i < 25; ++i) (void)this->make(i % 2, dir, "f" + std::to_string(i));
  this->mkdir(0, dir, "sub");
  const Rev upto = *this->newest(1, dir);
  Strings got;
  Rev after = 2;
  for (bool end = false; !end;) {
    const NamedPage page = this->page(1, dir, after, upto, 10);
    EXPECT_LE(page.entries.size(), 10u);
    end = page.end;
    for (const Named& n : page.entries) {
      EXPECT_GT(n.cursor, after);
      EXPECT_EQ(n.type, std::uint32_t(n.name == "sub" ? S_IFDIR : S_IFREG));
      after = n.cursor;
      got.push_back(n.name);
      // A loop that renames what it lists ends.
      this->rename(0, dir, n.name, dir, n.name + ".bak");
    }
    (void)this->make(0, dir, "late" + std::to_string(after));
  }
  ASSERT_EQ(got.size(), 26u);
  for (int i = 0; i < 25; ++i) EXPECT_EQ(got[std::size_t(i)], "f" + std::to_string(i));
  EXPECT_EQ(got.back(), "sub");
}

TYPED_TEST_P(TreeMoves, ANameThatIsReplacedIsListedOnce) {
  const Ino dir = this->mkdir(0, kRootIno, "d");
  for (const char* name : {"a", "b", "c"}) (void)this->make(0, dir, name);
  const Rev upto = *this->newest(0, dir);
  const NamedPage first = this->page(0, dir, 2, upto, 1);
  ASSERT_EQ(first.entries.at(0).name, "a");
  (void)this->make(1, dir, "tmp");
  ASSERT_EQ(this->rename(1, dir, "tmp", dir, "b"), Status::ok);
  const NamedPage rest = this->page(0, dir, first.entries[0].cursor, upto, 10);
  ASSERT_EQ(rest.entries.size(), 2u);
  EXPECT_EQ(rest.entries[0].name, "b");
  EXPECT_EQ(rest.entries[1].name, "c");
}

// Whoever looks a name up while others replace it finds one of them, never nothing.
TYPED_TEST_P(TreeMoves, ANameUnderReplacementIsAlwaysThere) {
  (void)this->make(0, kRootIno, "target");
  int renames = 0, looks = 0;
  bool reading = true;
  std::function<void()> replace = [&] {
    if (renames == 60) return void(reading = false);
    const std::string name = "new" + std::to_string(renames++);
    this->trees[0]->create(kRootIno, name, this->fresh(0100644), [&, name](Result<Inode> made) {
      ASSERT_TRUE(made);
      this->trees[0]->rename(kRootIno, name, kRootIno, "target", false, this->at(1),
                             [&](Outcome o) {
                               EXPECT_EQ(o.status(), Status::ok);
                               replace();
                             });
    });
  };
  std::function<void()> look = [&] {
    this->trees[1]->lookup(kRootIno, "target", [&](Result<Inode> found) {
      EXPECT_EQ(found.status(), Status::ok);
      ++looks;
      if (reading) look();
    });
  };
  replace();
  look();
  ASSERT_TRUE(this->stores.run_until([&] { return !reading && looks > 10; }, 60s));
  this->stores.run_until([] { return false; }, 50ms);
}

REGISTER_TYPED_TEST_SUITE_P(TreeMoves, RenameOfFilesAlsoOverOthers,
                            RenameOfDirectoriesKeepsTheTreeATree,
                            ExchangeGivesEachNameTheOthersObject, ExchangeKeepsTheTreeATree,
                            CrossingRenamesOfDirectoriesNeverMakeACycle,
                            ListingsGoInTheOrderOfCreationAndEndWhereTheyBegan,
                            ANameThatIsReplacedIsListedOnce, ANameUnderReplacementIsAlwaysThere);

}  // namespace dspm::test
