// What the tree promises over any NameStore: making, finding, changing, taking away.
// `Stores` as tree_fixture.h says.
#pragma once

#include "tests/unit/namespace/tree_fixture.h"

namespace dspm::test {

template <class Stores>
class TreeNames : public TreeFixture<Stores> {};
TYPED_TEST_SUITE_P(TreeNames);

TYPED_TEST_P(TreeNames, S5_CreatedOnOneNodeFoundOnAnotherWithItsCreatorsLayout) {
  const Inode made = *this->make(1, kRootIno, "f", 0100640);
  EXPECT_EQ(made.mode, 0100640u);
  EXPECT_EQ(made.uid, 1000u);
  EXPECT_EQ(made.gid, 100u);
  EXPECT_EQ(made.nlink, 1u);
  EXPECT_EQ(made.mtime, this->at(10));
  EXPECT_EQ(made.home(), GroupId(2)) << "[S5] local: the creator's own group";
  EXPECT_EQ(made.layout.groups, (std::vector<GroupId>{GroupId(2)}));
  EXPECT_EQ(*this->lookup(0, kRootIno, "f"), made);
  EXPECT_EQ(*this->lookup(0, kRootIno, "f"), made) << "now with a guess";
  EXPECT_EQ(*this->get(0, made.ino), made);
  EXPECT_EQ(this->make(0, kRootIno, "f").status(), Status::exists);
  EXPECT_EQ(this->make(0, kRootIno, "l", 0120777).status(), Status::unsupported);

  const Ino dir = this->mkdir(0, kRootIno, "d");
  const Inode root = *this->get(1, kRootIno), sub = *this->get(1, dir);
  EXPECT_EQ(root.entries, 2u);
  EXPECT_EQ(root.nlink, 3u);
  EXPECT_EQ(root.mtime.ns, this->at(10).ns + 1) << "times of a directory only move on";
  EXPECT_EQ(sub.nlink, 2u);
  EXPECT_EQ(sub.parent, kRootIno);
  EXPECT_FALSE(sub.home());
}

TYPED_TEST_P(TreeNames, ErrorsByNameAndByInode) {
  const Ino file = this->make(0, kRootIno, "f")->ino, dir = this->mkdir(0, kRootIno, "d");
  EXPECT_EQ(this->lookup(0, kRootIno, "none").status(), Status::no_entry);
  EXPECT_EQ(this->lookup(0, file, "x").status(), Status::not_directory);
  EXPECT_EQ(this->make(0, file, "x").status(), Status::not_directory);
  EXPECT_EQ(this->unlink(0, kRootIno, "none"), Status::no_entry);
  EXPECT_EQ(this->unlink(0, kRootIno, "d"), Status::is_directory);
  EXPECT_EQ(this->rmdir(0, kRootIno, "f"), Status::not_directory);
  EXPECT_EQ(this->newest(0, file).status(), Status::not_directory);
  for (const std::string& name : {std::string(), std::string("."), std::string(".."),
                                  std::string("a/b"), std::string("a\0b", 3)}) {
    EXPECT_EQ(this->make(0, kRootIno, name).status(), Status::invalid) << name;
    EXPECT_EQ(this->lookup(0, kRootIno, name).status(), Status::invalid) << name;
    EXPECT_EQ(this->unlink(0, kRootIno, name), Status::invalid) << name;
    EXPECT_EQ(this->rename(0, kRootIno, "f", kRootIno, name), Status::invalid) << name;
  }
  const std::string longest(kMaxName, 'n');
  EXPECT_EQ(this->make(0, kRootIno, longest + "n").status(), Status::too_long);
  EXPECT_TRUE(this->make(0, kRootIno, longest));
  EXPECT_TRUE(this->lookup(1, kRootIno, longest));

  ASSERT_EQ(this->rmdir(1, kRootIno, "d"), Status::ok);
  // By inode, never "no entry".
  EXPECT_EQ(this->get(0, dir).status(), Status::gone);
  EXPECT_EQ(this->lookup(0, dir, "x").status(), Status::gone);
  EXPECT_EQ(this->make(0, dir, "x").status(), Status::gone);
  EXPECT_EQ(this->unlink(0, dir, "x"), Status::gone);
  EXPECT_EQ(this->newest(0, dir).status(), Status::gone);
  EXPECT_EQ(this->change(0, dir, {}).status(), Status::gone);
  EXPECT_EQ(this->rename(0, dir, "x", kRootIno, "y"), Status::gone);
  EXPECT_EQ(this->rename(0, kRootIno, "f", dir, "y"), Status::gone);
  EXPECT_EQ(this->lookup(0, kRootIno, "d").status(), Status::no_entry);
}

TYPED_TEST_P(TreeNames, UnlinkLeavesAnOrphanRmdirNothing) {
  const Ino file = this->make(0, kRootIno, "f")->ino;
  ASSERT_EQ(this->unlink(1, kRootIno, "f"), Status::ok);
  EXPECT_EQ(this->lookup(0, kRootIno, "f").status(), Status::no_entry);
  const Inode left = *this->get(0, file);
  EXPECT_EQ(left.nlink, 0u);
  EXPECT_EQ(left.ctime, this->at(20));
  EXPECT_TRUE(this->orphan(0, file));
  EXPECT_EQ(this->get(0, kRootIno)->entries, 0u);

  const Ino dir = this->mkdir(0, kRootIno, "d");
  (void)this->make(0, dir, "x");
  EXPECT_EQ(this->rmdir(1, kRootIno, "d"), Status::not_empty);
  ASSERT_EQ(this->unlink(1, dir, "x"), Status::ok);
  ASSERT_EQ(this->rmdir(1, kRootIno, "d"), Status::ok);
  EXPECT_FALSE(this->orphan(0, dir));
  EXPECT_EQ(this->get(0, kRootIno)->nlink, 2u);
  EXPECT_NE(this->make(0, kRootIno, "f")->ino, file) << "numbers are never used again";
}

TYPED_TEST_P(TreeNames, InodeNumbersComeInBatchesToEachNode) {
  std::set<Ino> seen;
  for (int i = 0; i < 20; ++i) {
    const Ino ino = this->make(i % 2, kRootIno, std::to_string(i))->ino;
    EXPECT_TRUE(seen.insert(ino).second);
    EXPECT_GT(ino, kRootIno);
  }
  const auto counter = this->template await<Result<Snapshot>>(
      [&](auto d) { this->stores.names(0).get({"cfg/ino"}, d); });
  EXPECT_EQ(*decode_counter(counter->entries.at(0).value), 2 + 2 * kInoBatch);
}

TYPED_TEST_P(TreeNames, ChangesOfAttributes) {
  const Ino dir = this->mkdir(0, kRootIno, "d");
  Changes changes;
  changes.mode = 02770;
  changes.gid = 555;
  changes.stamp = this->at(50);
  const Inode changed = *this->change(1, dir, changes);
  EXPECT_EQ(changed, *this->get(0, dir));
  EXPECT_EQ(changed.mode, 0042770u);
  EXPECT_EQ(changed.uid, 1000u);
  EXPECT_EQ(changed.ctime, this->at(50));
  EXPECT_EQ(changed.mtime, this->at(10));
  // A setgid directory gives its group, to directories the bit too.
  const Inode file = *this->make(0, dir, "f"), sub = *this->make(0, dir, "s", 0040755);
  EXPECT_EQ(file.gid, 555u);
  EXPECT_EQ(file.mode, 0100644u);
  EXPECT_EQ(sub.gid, 555u);
  EXPECT_EQ(sub.mode, 0042755u);
  Changes times;
  times.atime = this->at(70);
  times.mtime = this->at(60);
  times.stamp = this->at(1);
  const Inode timed = *this->change(0, dir, times);
  EXPECT_EQ(timed.mtime, this->at(60));
  EXPECT_EQ(timed.atime, this->at(70));
  EXPECT_EQ(timed.ctime.ns, this->at(50).ns + 3) << "moves on, whatever the clock says";
}

TYPED_TEST_P(TreeNames, NothingIsCalledAfterTheTreesEnd) {
  bool called = false;
  this->trees[0]->create(kRootIno, "f", this->fresh(0100644),
                         [&](const Result<Inode>&) { called = true; });
  this->trees[0]->lookup(kRootIno, "f", [&](const Result<Inode>&) { called = true; });
  this->trees[0]->rename(kRootIno, "a", kRootIno, "b", false, {},
                         [&](const Outcome&) { called = true; });
  this->trees[0]->lookup(kRootIno, "", [&](const Result<Inode>&) { called = true; });
  this->trees[0].reset();
  this->stores.run_until([] { return false; }, 100ms);
  EXPECT_FALSE(called);
}

REGISTER_TYPED_TEST_SUITE_P(TreeNames, S5_CreatedOnOneNodeFoundOnAnotherWithItsCreatorsLayout,
                            ErrorsByNameAndByInode, UnlinkLeavesAnOrphanRmdirNothing,
                            InodeNumbersComeInBatchesToEachNode, ChangesOfAttributes,
                            NothingIsCalledAfterTheTreesEnd);

}  // namespace dspm::test
