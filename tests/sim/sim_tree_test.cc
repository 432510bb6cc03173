// Trees of several nodes over the simulated store, several operations in flight each, outcomes
// unknown or refused: afterwards the names are a tree, and counts, links and orphans fit.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "namespace/tree/tree.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_store.h"

namespace dspm::sim {
namespace {

using namespace names;

class Storm {
 public:
  explicit Storm(std::uint64_t seed) : scheduler_(seed) {
    SimStoreOptions options;
    options.now = [this] { return scheduler_.now(); };
    options.schedule = [this](Duration d, Action a) { scheduler_.after(d, std::move(a)); };
    options.seed = seed;
    options.unknown_percent = seed % 3 == 0 ? 15 : 0;
    options.refused_percent = seed % 3 == 1 ? 5 : 0;
    names_ = std::make_unique<SimNames>(options, apply_delta);
    for (std::uint32_t i = 1; i <= 3; ++i) {
      stores_.push_back(names_->attach());
      TreeOptions tree;
      tree.self = NodeId(i);
      tree.incarnation = Incarnation(i);
      tree.layout = local_layout(GroupId(i));
      tree.now = [this] { return scheduler_.now(); };
      trees_.push_back(std::make_unique<Tree>(*stores_.back(), tree));
    }
  }
  void run() {
    while (!names_->entries().contains(inode_key(kRootIno))) {
      trees_[0]->make_root({}, [](const Outcome&) {});
      while (scheduler_.step()) {
      }
    }
    for (auto& tree : trees_) {
      for (int lane = 0; lane < 3; ++lane) next(*tree, 40);
    }
    while (scheduler_.step()) {
    }
    EXPECT_EQ(ended_, 3 * 3 * 40);
    verify();
  }

 private:
  // Few names and directories, so that everything meets.
  std::string name() { return std::string(1, char('a' + scheduler_.below(4))); }
  Ino dir() { return dirs_[scheduler_.below(dirs_.size())]; }

  void next(Tree& tree, int left) {
    if (left == 0) return;
    const auto done = [this, &tree, left](Status status) {
      ++ended_;
      const std::set<Status> may{Status::ok,        Status::no_entry,      Status::gone,
                                 Status::exists,    Status::not_directory, Status::is_directory,
                                 Status::not_empty, Status::invalid,       Status::unavailable};
      EXPECT_TRUE(may.contains(status)) << to_string(status);
      next(tree, left - 1);
    };
    const auto outcome = [done](const Outcome& o) { done(o.status()); };
    const auto inode = [this, done](const Result<Inode>& i) {
      if (i && i->is_directory() && dirs_.size() < 12) dirs_.push_back(i->ino);
      done(i.status());
    };
    switch (scheduler_.below(8)) {
      case 0:
        return tree.create(dir(), name(), {S_IFREG | 0644, 0, 0, scheduler_.wall()}, inode);
      case 1:
      case 2:
        return tree.create(dir(), name(), {S_IFDIR | 0755, 0, 0, scheduler_.wall()}, inode);
      case 3:
        return tree.unlink(dir(), name(), scheduler_.wall(), outcome);
      case 4:
        if (scheduler_.percent(50)) return tree.rmdir(dir(), name(), scheduler_.wall(), outcome);
        return tree.lookup(dir(), name(), inode);
      default:  // half of them within one directory: swaps names under those that move further
        const Ino from = dir();
        return tree.rename(from, name(), scheduler_.percent(50) ? from : dir(), name(),
                           scheduler_.percent(10), scheduler_.wall(), outcome);
    }
  }

  void verify() {
    std::map<Ino, Inode> inodes;
    std::set<Ino> orphans;
    std::map<Ino, std::vector<std::pair<std::string, DirEntry>>> children;
    for (const auto& [key, entry] : names_->entries()) {
      const auto number = [&](std::size_t at) {
        return Ino(std::stoull(key.substr(at, 16), nullptr, 16));
      };
      if (key.starts_with("ino/")) {
        inodes[number(4)] = *decode_inode(entry.value, number(4), 0);
      } else if (key.starts_with("orphan/")) {
        orphans.insert(number(7));
      } else if (key.starts_with("ns/")) {
        children[number(3)].push_back({key.substr(20), *decode_entry(entry.value)});
      }
    }
    std::set<Ino> reached{kRootIno};
    std::deque<Ino> way{kRootIno};
    for (; !way.empty(); way.pop_front()) {
      const Inode& here = inodes.at(way.front());
      std::uint32_t below = 0;
      EXPECT_EQ(here.entries, children[here.ino].size()) << here.ino;
      for (const auto& [text, child] : children[here.ino]) {
        EXPECT_TRUE(reached.insert(child.ino).second) << child.ino << " has two names";
        ASSERT_TRUE(inodes.contains(child.ino)) << text << " names nothing";
        const Inode& inode = inodes.at(child.ino);
        EXPECT_EQ(child.type, inode.mode & S_IFMT);
        if (!inode.is_directory()) {
          EXPECT_EQ(inode.nlink, 1u);
          continue;
        }
        EXPECT_EQ(inode.parent, here.ino);
        ++below;
        way.push_back(child.ino);
      }
      EXPECT_EQ(here.nlink, 2 + below) << here.ino;
    }
    for (const auto& [ino, inode] : inodes) {
      if (reached.contains(ino)) continue;
      EXPECT_FALSE(inode.is_directory()) << "directory " << ino << " is cut loose";
      EXPECT_EQ(inode.nlink, 0u);
      EXPECT_TRUE(orphans.contains(ino));
    }
    for (const Ino ino : orphans) EXPECT_FALSE(reached.contains(ino));
  }

  Scheduler scheduler_;
  std::unique_ptr<SimNames> names_;
  std::vector<std::unique_ptr<NameStore>> stores_;
  std::vector<std::unique_ptr<Tree>> trees_;
  std::vector<Ino> dirs_{kRootIno};
  int ended_ = 0;
};

TEST(SimTree, ItStaysATree) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm(seed).run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace dspm::sim
