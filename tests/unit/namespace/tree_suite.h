// What the tree promises over any NameStore; `Stores` as in name_store_conformance.h. Two trees,
// one a node.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "namespace/tree/tree.h"
#include "utils/base/limits.h"

namespace dspm::test {

using namespace names;
using namespace std::chrono_literals;

template <class Stores>
class TreeSuite : public ::testing::Test {
 public:
  TreeSuite() {
    for (int i = 0; i < 2; ++i) {
      TreeOptions options;
      options.self = NodeId(std::uint32_t(i + 1));
      options.incarnation = Incarnation(9);
      options.layout = local_layout(GroupId(std::uint32_t(i + 1)));
      options.now = [this] { return stores.now(); };
      trees[i] = std::make_unique<Tree>(stores.names(i), options);
    }
    EXPECT_EQ(await<Outcome>([&](auto d) { trees[0]->make_root(at(1), d); }).status(), Status::ok);
  }
  template <class T, class Ask>
  T await(Ask ask) {
    auto out = std::make_shared<std::optional<T>>();
    ask([out](T answer) {
      EXPECT_FALSE(*out) << "answered twice";
      *out = std::move(answer);
    });
    EXPECT_FALSE(*out) << "answered inside the call";
    EXPECT_TRUE(stores.run_until([&] { return out->has_value(); }, 40s));
    return std::move(**out);
  }
  static WallTime at(std::int64_t s) { return {s * 1'000'000'000}; }
  static NewInode fresh(std::uint32_t mode, std::int64_t stamp = 10) {
    return {mode, 1000, 100, at(stamp)};
  }
  Result<Inode> make(int node, Ino dir, const std::string& name, std::uint32_t mode = 0100644,
                     std::int64_t stamp = 10) {
    return await<Result<Inode>>(
        [&](auto d) { trees[node]->create(dir, name, fresh(mode, stamp), d); });
  }
  Ino mkdir(int node, Ino dir, const std::string& name) {
    return make(node, dir, name, 0040755)->ino;
  }
  Result<Inode> lookup(int node, Ino dir, const std::string& name) {
    return await<Result<Inode>>([&](auto d) { trees[node]->lookup(dir, name, d); });
  }
  Result<Inode> get(int node, Ino ino) {
    return await<Result<Inode>>([&](auto d) { trees[node]->get(ino, d); });
  }
  Status unlink(int node, Ino dir, const std::string& name, std::int64_t stamp = 20) {
    return await<Outcome>([&](auto d) { trees[node]->unlink(dir, name, at(stamp), d); }).status();
  }
  Status rmdir(int node, Ino dir, const std::string& name, std::int64_t stamp = 20) {
    return await<Outcome>([&](auto d) { trees[node]->rmdir(dir, name, at(stamp), d); }).status();
  }
  Status rename(int node, Ino from, const std::string& name, Ino to, const std::string& other,
                bool no_replace = false, std::int64_t stamp = 30) {
    return await<Outcome>([&](auto d) {
             trees[node]->rename(from, name, to, other, no_replace, at(stamp), d);
           })
        .status();
  }
  Result<Inode> change(int node, Ino ino, const Changes& changes) {
    return await<Result<Inode>>([&](auto d) { trees[node]->change(ino, changes, d); });
  }
  Result<Rev> newest(int node, Ino dir) {
    return await<Result<Rev>>([&](auto d) { trees[node]->newest(dir, d); });
  }
  NamedPage page(int node, Ino dir, Rev after, Rev upto, std::size_t limit) {
    return *await<Result<NamedPage>>(
        [&](auto d) { trees[node]->readdir(dir, after, upto, limit, d); });
  }
  std::vector<std::string> list(int node, Ino dir) {
    std::vector<std::string> out;
    for (const Named& n : page(node, dir, 0, *newest(node, dir), 1000).entries)
      out.push_back(n.name);
    return out;
  }
  bool orphan(int node, Ino ino) {
    return !await<Result<Snapshot>>([&](auto d) {
              stores.names(node).get({orphan_key(ino)}, d);
            })->entries.empty();
  }

  Stores stores;
  std::unique_ptr<Tree> trees[2];
};
TYPED_TEST_SUITE_P(TreeSuite);

using Strings = std::vector<std::string>;

TYPED_TEST_P(TreeSuite, S5_CreatedOnOneNodeFoundOnAnotherWithItsCreatorsLayout) {
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

TYPED_TEST_P(TreeSuite, ErrorsByNameAndByInode) {
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

TYPED_TEST_P(TreeSuite, UnlinkLeavesAnOrphanRmdirNothing) {
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

TYPED_TEST_P(TreeSuite, InodeNumbersComeInBatchesToEachNode) {
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

TYPED_TEST_P(TreeSuite, RenameOfFilesAlsoOverOthers) {
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

TYPED_TEST_P(TreeSuite, RenameOfDirectoriesKeepsTheTreeATree) {
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

// Two renames that each are right and together would cut a cycle loose: one must see the other.
TYPED_TEST_P(TreeSuite, CrossingRenamesOfDirectoriesNeverMakeACycle) {
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

TYPED_TEST_P(TreeSuite, ChangesOfAttributes) {
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

TYPED_TEST_P(TreeSuite, ListingsGoInTheOrderOfCreationAndEndWhereTheyBegan) {
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

TYPED_TEST_P(TreeSuite, ANameThatIsReplacedIsListedOnce) {
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
TYPED_TEST_P(TreeSuite, ANameUnderReplacementIsAlwaysThere) {
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

TYPED_TEST_P(TreeSuite, NothingIsCalledAfterTheTreesEnd) {
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

REGISTER_TYPED_TEST_SUITE_P(TreeSuite, S5_CreatedOnOneNodeFoundOnAnotherWithItsCreatorsLayout,
                            ErrorsByNameAndByInode, UnlinkLeavesAnOrphanRmdirNothing,
                            InodeNumbersComeInBatchesToEachNode, RenameOfFilesAlsoOverOthers,
                            RenameOfDirectoriesKeepsTheTreeATree,
                            CrossingRenamesOfDirectoriesNeverMakeACycle, ChangesOfAttributes,
                            ListingsGoInTheOrderOfCreationAndEndWhereTheyBegan,
                            ANameThatIsReplacedIsListedOnce, ANameUnderReplacementIsAlwaysThere,
                            NothingIsCalledAfterTheTreesEnd);

}  // namespace dspm::test
