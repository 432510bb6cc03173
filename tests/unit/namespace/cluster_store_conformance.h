// What every ClusterStore must do; `Stores` as cluster_store_fixture.h says.
#pragma once

#include "tests/unit/namespace/cluster_store_fixture.h"

namespace dspm::test {

TYPED_TEST_SUITE_P(ClusterStoreConformance);

TYPED_TEST_P(ClusterStoreConformance, CreateChangeEraseUnderGuards) {
  auto &a = this->a(), &b = this->b();
  const auto made = *a.txn({at("b/x", 0)}, {put("b/x", "1")});
  ASSERT_TRUE(made.committed);
  const auto again = *b.txn({at("b/x", 0)}, {put("b/x", "2")});
  EXPECT_FALSE(again.committed);
  ASSERT_EQ(again.seen.size(), 1u);
  EXPECT_EQ(again.seen[0].value, "1");
  const auto moved = *b.txn({at("b/x", made.rev)}, {put("b/x", "3")});
  ASSERT_TRUE(moved.committed);
  EXPECT_GT(moved.rev, made.rev);
  const auto entry = **a.get("b/x");
  EXPECT_EQ(entry.value, "3");
  EXPECT_EQ(entry.created, made.rev);
  EXPECT_EQ(entry.modified, moved.rev);

  const std::string odd("\0\xff'%", 4);
  const auto three = *a.txn({at("b/x", moved.rev), at("b/y", 0)},
                            {put("b/y", "y"), put("b/z", odd), erase("b/x")});
  ASSERT_TRUE(three.committed);
  const StoreListing listing = *b.list("b/");
  ASSERT_EQ(listing.entries.size(), 2u);
  EXPECT_EQ(listing.entries[0].key, "b/y");
  EXPECT_EQ(listing.entries[1].value, odd);
  EXPECT_EQ(listing.entries[0].modified, listing.entries[1].modified);
  EXPECT_EQ(listing.rev, three.rev);
  EXPECT_FALSE(*b.get("b/x"));
  EXPECT_FALSE(a.txn({{"b/y", 0, "nope"}}, {erase("b/y")})->committed);
  EXPECT_TRUE(a.txn({{"b/y", 0, "y"}}, {erase("b/y")})->committed);
  EXPECT_EQ(a.txn({}, {erase("b/none")})->rev, b.list("")->rev) << "nothing changed, no revision";
  EXPECT_EQ(*a.identity(), *b.identity());
}

TYPED_TEST_P(ClusterStoreConformance, RefusesWhatMakesNoSense) {
  auto& a = this->a();
  EXPECT_EQ(a.txn({}, {put("", "x")}).status(), Status::invalid);
  EXPECT_EQ(a.txn({at("", 0)}, {}).status(), Status::invalid);
  EXPECT_EQ(a.txn({}, {put("k", "1"), erase("k")}).status(), Status::invalid);
  EXPECT_EQ(a.txn({}, {put("k", std::string(kMaxStoreBytes, 'x'))}).status(), Status::too_large);
  EXPECT_EQ(a.txn({}, {{StoreOp::Kind::put, "k", "v", 42}}).status(), Status::unsupported);
  std::vector<StoreOp> many;
  for (std::size_t i = 0; i <= kMaxStoreOps; ++i) many.push_back(put(std::to_string(i), ""));
  EXPECT_EQ(a.txn({}, many).status(), Status::too_large);
  EXPECT_EQ(a.compact(99).status(), Status::invalid);
  EXPECT_TRUE(a.list("")->entries.empty());
}

TYPED_TEST_P(ClusterStoreConformance, WatchIsAnExactCopyOfItsPrefix) {
  (void)this->a().txn({}, {put("w/0", "before"), put("v/0", "other")});
  Mirror of_a(this->a(), "w/"), of_b(this->b(), "w/");
  for (int i = 0; i < 300; ++i) {
    const std::string k = std::to_string(i % 17);
    auto& store = i % 2 ? this->a() : this->b();
    (void)store.txn(
        {}, {put("w/a" + k, std::to_string(i)),
             i % 5 ? put("w/b" + k, std::to_string(i)) : erase("w/b" + k), put("v/" + k, "other")});
  }
  EXPECT_TRUE(this->until([&] { return of_a.equal() && of_b.equal(); }));
  EXPECT_FALSE(of_a.bad || of_b.bad);
  EXPECT_EQ(of_a.resets + of_b.resets, 0);
  EXPECT_EQ(of_a.value("w/0"), "before");
}

TYPED_TEST_P(ClusterStoreConformance, AGapIsAResetAndTheWatchGoesOn) {
  for (int i = 0; i < 10; ++i) (void)this->a().txn({}, {put("w/x", std::to_string(i))});
  const StoreRev now = this->a().list("")->rev;
  ASSERT_EQ(*this->a().compact(now), now);
  int resets = 0;
  std::string newest;
  std::mutex mutex;
  auto late = *this->b().watch("w/", 1, [&](const StoreBatch& batch) {
    std::lock_guard lock(mutex);
    resets += batch.reset;
    for (const auto& event : batch.events) newest = event.entry.value;
  });
  const auto is = [&](int n, const std::string& text) {
    return [&, n, text] {
      std::lock_guard lock(mutex);
      return resets == n && newest == text;
    };
  };
  EXPECT_TRUE(this->until(is(1, "")));
  (void)this->a().txn({}, {put("w/x", "after")});
  EXPECT_TRUE(this->until(is(1, "after")));
  Mirror current(this->a(), "w/");
  EXPECT_EQ(current.value("w/x"), "after");
}

TYPED_TEST_P(ClusterStoreConformance, NoCallbackAfterTheEndOfAWatch) {
  int calls = 0;
  std::mutex mutex;
  auto watch = *this->a().watch("w/", 0, [&](const StoreBatch&) {
    std::lock_guard lock(mutex);
    ++calls;
  });
  (void)this->b().txn({}, {put("w/x", "1")});
  EXPECT_TRUE(this->until([&] {
    std::lock_guard lock(mutex);
    return calls == 1;
  }));
  watch.reset();
  (void)this->b().txn({}, {put("w/x", "2")});
  this->stores.run_until([] { return false; }, 100ms);
  EXPECT_EQ(calls, 1);
}

TYPED_TEST_P(ClusterStoreConformance, S1_ASessionIsItsKeysRevisionAndATwinIsRefused) {
  auto &a = this->a(), &b = this->b();
  Mirror nodes(b, "node/");
  auto one = *a.session("node/1", "first", 5s);
  EXPECT_EQ((*b.get("node/1"))->modified, one->rev());
  EXPECT_EQ((*b.get("node/1"))->value, "first");
  EXPECT_FALSE(one->lost());
  EXPECT_EQ(one->deadline(), kNever);
  EXPECT_TRUE(this->until([&] { return nodes.value("node/1") == "first"; }));

  const auto twin = b.session("node/1", "twin", 5s);  // [S1] one life at a time
  ASSERT_EQ(twin.status(), Status::busy);
  EXPECT_NE(twin.error().what.find("another daemon"), std::string::npos) << twin.error().what;
  EXPECT_EQ(a.session("node/1", "twin", 5s).status(), Status::busy) << "in one process too";
  EXPECT_FALSE(one->lost());
  auto two = *b.session("node/2", "other", 5s);

  const StoreRev first = one->rev();
  one.reset();  // leaves
  EXPECT_FALSE(*b.get("node/1"));
  EXPECT_EQ((*b.get("left/1"))->value, std::to_string(first));
  EXPECT_TRUE(this->until([&] { return nodes.value("node/1") == "-"; }));
  auto next = *b.session("node/1", "second", 5s);
  EXPECT_GT(next->rev(), first);
}

TYPED_TEST_P(ClusterStoreConformance, S1_TheNextLifeReplacesADeadOneThatDidNotLeave) {
  const StoreRev first = this->stores.dead_session("node/1", "first");
  EXPECT_TRUE(*this->b().get("node/1")) << "nothing acts on a death yet";
  auto next = *this->b().session("node/1", "second", 5s);
  EXPECT_GT(next->rev(), first);
  const auto entry = **this->a().get("node/1");
  EXPECT_EQ(entry.created, next->rev()) << "a new key, not the old one rewritten";
  EXPECT_EQ(entry.value, "second");
}

// [S3] Who is out cannot change a record, even if it does not know yet.
TYPED_TEST_P(ClusterStoreConformance, S3_GuardsBySessionFenceWhoIsOut) {
  auto &a = this->a(), &b = this->b();
  auto sa = *a.session("node/1", "", 5s), sb = *b.session("node/2", "", 5s);
  const StoreRev pg = a.txn({at("pg/7", 0)}, {put("pg/7", "epoch 1, primary 1")})->rev;
  const auto takes_over = [&] {
    return b.txn({at("node/1", 0), at("node/2", sb->rev()), at("pg/7", pg)},
                 {put("pg/7", "epoch 2, primary 2")});
  };
  EXPECT_FALSE(takes_over()->committed) << "node 1 lives";
  ASSERT_TRUE(b.txn({at("node/1", sa->rev())}, {erase("node/1")})->committed);
  ASSERT_TRUE(takes_over()->committed);
  const StoreRev now = (*a.get("pg/7"))->modified;
  EXPECT_FALSE(
      a.txn({at("node/1", sa->rev()), at("pg/7", now)}, {put("pg/7", "epoch 3")})->committed);
  EXPECT_TRUE(sa->lost());
  EXPECT_FALSE(sb->lost());
}

TYPED_TEST_P(ClusterStoreConformance, ClosedSaysSo) {
  auto& a = this->a();
  a.close();
  EXPECT_EQ(a.get("k").status(), Status::closed);
  EXPECT_EQ(a.list("").status(), Status::closed);
  EXPECT_EQ(a.txn({}, {put("k", "")}).status(), Status::closed);
  EXPECT_EQ(a.identity().status(), Status::closed);
  EXPECT_TRUE(this->b().txn({}, {put("k", "")})->committed) << "the other goes on";
  a.close();
}

REGISTER_TYPED_TEST_SUITE_P(ClusterStoreConformance, CreateChangeEraseUnderGuards,
                            RefusesWhatMakesNoSense, WatchIsAnExactCopyOfItsPrefix,
                            AGapIsAResetAndTheWatchGoesOn, NoCallbackAfterTheEndOfAWatch,
                            S1_ASessionIsItsKeysRevisionAndATwinIsRefused,
                            S1_TheNextLifeReplacesADeadOneThatDidNotLeave,
                            S3_GuardsBySessionFenceWhoIsOut, ClosedSaysSo);

}  // namespace dspm::test
