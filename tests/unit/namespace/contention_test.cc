// Two nodes as two threads, each with a loop, a store and a tree of its own, on one file: what they
// do in one directory loses to nobody and adds up.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "namespace/tree/tree.h"
#include "tests/unit/namespace/sqlite_stores.h"

namespace dspm::test {
namespace {

using namespace names;
using namespace std::chrono_literals;

struct TestNode {
  TestNode(const std::string& file, std::uint32_t id)
      : store(*open_sqlite_name_store(file, loop.post(), apply_delta)) {
    TreeOptions options;
    options.self = NodeId(id);
    options.incarnation = Incarnation(id);
    options.layout = local_layout(GroupId(id));
    options.now = [this] { return clock.now(); };
    tree.emplace(*store, std::move(options));
  }
  ~TestNode() { store->close(); }
  template <class Ask>
  Status await(Ask ask) {
    std::optional<Status> out;
    ask([&](const auto& answer) { out = answer.status(); });
    EXPECT_TRUE(loop.run_until([&] { return out.has_value(); }, 60s));
    return out.value_or(Status::timed_out);
  }
  SystemClock clock;
  TestLoop loop;
  std::unique_ptr<NameStore> store;
  std::optional<Tree> tree;
};

constexpr int kFiles = 60;  // of each node, in one directory

// Creates, renames over its own and common names, unlinks; `expected` statuses only.
void work(TestNode& node, const std::string& own, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto is = [](Status s, std::initializer_list<Status> any) {
    return std::find(any.begin(), any.end(), s) != any.end();
  };
  Tree& tree = *node.tree;
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = own + std::to_string(i);
    const std::string common = "common" + std::to_string(random() % 4);
    EXPECT_EQ(node.await([&](auto d) {
      tree.create(kRootIno, name, {0100644, 0, 0, {}}, d);
    }),
              Status::ok);
    Status s = node.await([&](auto d) { tree.create(kRootIno, common, {0100644, 0, 0, {}}, d); });
    EXPECT_TRUE(is(s, {Status::ok, Status::exists})) << to_string(s);
    s = node.await([&](auto d) { tree.lookup(kRootIno, common, d); });
    EXPECT_TRUE(is(s, {Status::ok, Status::no_entry})) << to_string(s);
    if (i % 3 == 0) {
      s = node.await([&](auto d) { tree.rename(kRootIno, name, kRootIno, common, false, {}, d); });
      EXPECT_EQ(s, Status::ok);
    } else if (i % 3 == 1) {
      s = node.await([&](auto d) { tree.unlink(kRootIno, common, {}, d); });
      EXPECT_TRUE(is(s, {Status::ok, Status::no_entry})) << to_string(s);
    } else {
      const std::string to = "common" + std::to_string(random() % 4);
      s = node.await([&](auto d) { tree.rename(kRootIno, common, kRootIno, to, false, {}, d); });
      EXPECT_TRUE(is(s, {Status::ok, Status::no_entry})) << to_string(s);
    }
    Changes changes;
    changes.mode = 0700 + random() % 64;
    EXPECT_EQ(node.await([&](auto d) { tree.change(kRootIno, changes, d); }), Status::ok)
        << "guards the directory at its revision, and loses, and tries again";
  }
}

TEST(Contention, OneDirectoryOfTwoNodes) {
  TempDir dir;
  TestNode one(dir.file("db"), 1), two(dir.file("db"), 2);
  ASSERT_EQ(one.await([&](auto d) { one.tree->make_root({}, d); }), Status::ok);
  std::thread first([&] { work(one, "a", 1); }), second([&] { work(two, "b", 2); });
  first.join();
  second.join();

  // Names, records, orphans and counts fit together.
  std::optional<Listing> names, inodes, orphans;
  for (auto [prefix, out] : {std::pair(names_prefix(kRootIno), &names),
                             {Key("ino/"), &inodes},
                             {Key("orphan/"), &orphans}}) {
    one.store->list(prefix, 0, 100'000, [out = out](Result<Listing> l) { *out = *std::move(l); });
  }
  ASSERT_TRUE(one.loop.run_until([&] { return names && inodes && orphans; }, 10s));
  std::set<Ino> named;
  for (const Entry& entry : names->entries) {
    EXPECT_TRUE(named.insert(decode_entry(entry.value)->ino).second) << "one name a file";
  }
  std::set<Key> orphaned;
  for (const Entry& entry : orphans->entries) orphaned.insert("ino/" + entry.key.substr(7));
  for (const Entry& entry : inodes->entries) {
    const Ino ino(std::stoull(entry.key.substr(4), nullptr, 16));
    const Inode inode = *decode_inode(entry.value, ino, 0);
    if (inode.is_directory()) {
      EXPECT_EQ(inode.entries, names->entries.size());
      continue;
    }
    EXPECT_EQ(inode.nlink, named.contains(ino) ? 1u : 0u);
    EXPECT_EQ(orphaned.contains(entry.key), inode.nlink == 0);
  }
  EXPECT_EQ(inodes->entries.size(), 1 + named.size() + orphaned.size());
}

}  // namespace
}  // namespace dspm::test
