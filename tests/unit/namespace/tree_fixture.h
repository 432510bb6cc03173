// Helpers of the suites of the tree; `Stores` as in name_store_conformance.h. Two trees,
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
class TreeFixture : public ::testing::Test {
 public:
  TreeFixture() {
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
  Status exchange(int node, Ino from, const std::string& name, Ino to, const std::string& other,
                  std::int64_t stamp = 30) {
    return await<Outcome>(
               [&](auto d) { trees[node]->exchange(from, name, to, other, at(stamp), d); })
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

using Strings = std::vector<std::string>;

}  // namespace dspm::test
