// The engines on SQLite: the suites of both ports and of the tree, and what only a file does.
#include "tests/unit/namespace/sqlite_stores.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/unit/namespace/cluster_store_conformance.h"
#include "tests/unit/namespace/name_store_calls.h"
#include "tests/unit/namespace/name_store_conformance.h"
#include "tests/unit/namespace/tree_moves_suite.h"
#include "tests/unit/namespace/tree_names_suite.h"

namespace dspm::test {
namespace {

INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, NameStoreConformance, SqliteStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, NameStoreCalls, SqliteStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, ClusterStoreConformance, SqliteStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, TreeNames, SqliteStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, TreeMoves, SqliteStores);

// Not a test: what SqliteStores::dead_session() runs.
TEST(ChildProcess, DISABLED_Dies) {
  const char* session = std::getenv("DSPM_TEST_SESSION");
  if (session == nullptr) GTEST_SKIP();
  std::istringstream in(session);
  std::string file, key, value;
  in >> file >> key >> value;
  const auto store = *open_sqlite_cluster_store(file);
  const auto held = *store->session(key, value, 5s);
  ::raise(SIGKILL);
}

TEST(SqliteStores, NoUpdateIsLostUnderContention) {
  SqliteStores stores;
  ASSERT_TRUE(stores.cluster(0).txn({at("ctr", 0)}, {put("ctr", "0")}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&stores, t] {
      ClusterStore& store = stores.cluster(t % 2);
      for (int done = 0; done < 25;) {
        const auto entry = store.get("ctr");
        ASSERT_TRUE(entry && *entry);
        const auto next = std::to_string(std::stoi((*entry)->value) + 1);
        const auto reply = store.txn({at("ctr", (*entry)->modified)}, {put("ctr", next)});
        ASSERT_TRUE(reply) << reply.error().what;
        done += reply->committed;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ((*stores.cluster(0).get("ctr"))->value, "100");
}

TEST(SqliteStores, ManyMayOpenANewFileAtOnce) {
  TempDir dir;
  TestLoop loop;
  std::atomic<int> opened = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      auto cluster = open_sqlite_cluster_store(dir.file("db"));
      EXPECT_TRUE(cluster) << cluster.error().what;
      auto store = open_sqlite_name_store(dir.file("db"), loop.post(), apply_delta);
      EXPECT_TRUE(store) << store.error().what;
      opened += cluster && store;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(opened, 8);
}

TEST(SqliteStores, WhatWasAnsweredIsThereAfterARestart) {
  TempDir dir;
  TestLoop loop;
  std::string identity;
  StoreRev rev = 0;
  Rev name_rev = 0;
  for (int life = 0; life < 2; ++life) {
    auto cluster = *open_sqlite_cluster_store(dir.file("db"));
    auto store = *open_sqlite_name_store(dir.file("db"), loop.post(), apply_delta);
    if (life == 0) {
      identity = *cluster->identity();
      rev = cluster->txn({}, {put("k", "v")})->rev;
      Txn t;
      t.ops = {{Op::Kind::put, "k/x", "v", {}}};
      store->txn(t, [&](const TxnReply& reply) { name_rev = reply.rev; });
      ASSERT_TRUE(loop.run_until([&] { return name_rev != 0; }, 10s));
    } else {
      EXPECT_EQ(*cluster->identity(), identity);
      EXPECT_EQ((*cluster->get("k"))->modified, rev);
      Rev seen = 0;
      store->get({"k/x"}, [&](Result<Snapshot> s) { seen = s->entries.at(0).rev; });
      ASSERT_TRUE(loop.run_until([&] { return seen != 0; }, 10s));
      EXPECT_EQ(seen, name_rev);
    }
  }
}

TEST(SqliteStores, WhatIsNoStoreIsRefusedInOneSentence) {
  TempDir dir;
  TestLoop loop;
  std::ofstream(dir.file("text")) << std::string(10'000, 'x');
  for (const auto& file : {dir.file("text"), dir.file("no/such/dir/db"), dir.file(".")}) {
    const auto cluster = open_sqlite_cluster_store(file);
    ASSERT_EQ(cluster.status(), Status::io_error) << file;
    EXPECT_NE(cluster.error().what.find(file), std::string::npos) << cluster.error().what;
    const auto store = open_sqlite_name_store(file, loop.post(), apply_delta);
    ASSERT_EQ(store.status(), Status::io_error) << file;
    EXPECT_NE(store.error().what.find(file), std::string::npos) << store.error().what;
  }
}

// Not a limit, a number to look at: 10-names has 7 us for a read and 0.4-0.9 ms for a change.
TEST(SqliteStores, Latency) {
  SqliteStores stores;
  const auto measure = [&](const char* what, int rounds, auto ask) {
    std::vector<double> us;
    for (int i = 0; i < rounds; ++i) {
      const auto start = std::chrono::steady_clock::now();
      bool done = false;
      ask(i, done);
      ASSERT_TRUE(stores.run_until([&] { return done; }, 10s));
      us.push_back(
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
              .count());
    }
    std::sort(us.begin(), us.end());
    std::printf("%s: p50 %.0f us, p99 %.0f us\n", what, us[us.size() / 2],
                us[us.size() * 99 / 100]);
  };
  measure("txn of 3 puts", 300, [&](int i, bool& done) {
    Txn t;
    t.id = {NodeId(1), Incarnation(1), std::uint64_t(i + 1)};
    t.done_below = t.id.sequence;
    const std::string n = std::to_string(i);
    for (const char* k : {"a/", "b/", "c/"}) t.ops.push_back({Op::Kind::put, k + n, n, {}});
    stores.names(0).txn(t, [&done](const TxnReply&) { done = true; });
  });
  measure("get of 3 keys", 2000, [&](int i, bool& done) {
    const std::string n = std::to_string(i % 300);
    stores.names(0).get({"a/" + n, "b/" + n, "c/" + n},
                        [&done](const Result<Snapshot>&) { done = true; });
  });
  int open = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    Txn t;
    t.ops = {{Op::Kind::put, "d/" + std::to_string(i), "x", {}}};
    ++open;
    stores.names(i % 2).txn(t, [&](const TxnReply&) { --open; });
  }
  ASSERT_TRUE(stores.run_until([&] { return open == 0; }, 30s));
  std::printf(
      "1000 txns that wait together, two nodes: %.0f ms\n",
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
}

}  // namespace
}  // namespace dspm::test
