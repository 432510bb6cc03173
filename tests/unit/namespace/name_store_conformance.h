// What every NameStore must do; `Stores` as name_store_fixture.h says.
#pragma once

#include <algorithm>
#include <functional>

#include "tests/unit/namespace/name_store_fixture.h"

namespace dspm::test {

TYPED_TEST_SUITE_P(NameStoreConformance);

using Texts = std::vector<std::string>;

TYPED_TEST_P(NameStoreConformance, AnsweredOnOneNodeSeenByTheNextReadOnAnother) {
  for (int i = 0; i < 50; ++i) {
    const std::string text = std::to_string(i);
    ASSERT_EQ(this->txn(i % 2, {}, {this->put("k/x", text)}).outcome, TxnOutcome::committed);
    ASSERT_EQ(this->value((i + 1) % 2, "k/x"), text);
  }
  EXPECT_EQ(this->value(0, "k/none"), "-");
}

TYPED_TEST_P(NameStoreConformance, GuardsHoldOrNothingHappensAndTheLoserIsTold) {
  const TxnReply made =
      this->txn(0, {this->absent("k/a")}, {this->put("k/a", "1"), this->put("k/b", "1")});
  ASSERT_EQ(made.outcome, TxnOutcome::committed);
  const auto a = this->get(1, {"k/a"}).entries.at(0);
  EXPECT_EQ(a.rev, made.rev);
  EXPECT_EQ(a.created, made.rev);

  const auto lost =
      this->txn(1, {this->absent("k/a"), this->present("k/b")}, {this->put("k/c", "2")});
  EXPECT_EQ(lost.outcome, TxnOutcome::lost);
  ASSERT_EQ(lost.seen.size(), 2u);
  EXPECT_EQ(lost.seen[0].key, "k/a");
  EXPECT_EQ(lost.seen[0].value, "1");
  EXPECT_EQ(lost.seen[0].rev, made.rev);
  EXPECT_EQ(this->value(0, "k/c"), "-");

  const auto moved = this->txn(0, {this->at("k/a", a.rev)}, {this->put("k/a", "2")});
  ASSERT_EQ(moved.outcome, TxnOutcome::committed);
  EXPECT_NE(moved.rev, made.rev);
  EXPECT_TRUE(moved.seen.empty());
  EXPECT_EQ(this->get(0, {"k/a"}).entries.at(0).created, made.rev) << "a put keeps the creation";
  EXPECT_EQ(this->txn(0, {this->at("k/a", a.rev)}, {this->erase("k/a")}).outcome, TxnOutcome::lost);
  EXPECT_EQ(this->txn(0, {this->present("k/none")}, {this->erase("k/a")}).outcome,
            TxnOutcome::lost);
  EXPECT_EQ(this->txn(0, {this->at("k/none", 0)}, {this->erase("k/a")}).outcome, TxnOutcome::lost);
  EXPECT_EQ(this->value(1, "k/a"), "2");
}

TYPED_TEST_P(NameStoreConformance, ValuesAndKeysAreBytes) {
  const std::string odd("\0\xff'%_\"\n", 7), key = "k/" + odd;
  ASSERT_EQ(this->txn(0, {}, {this->put(key, odd), this->put("k/empty", "")}).outcome,
            TxnOutcome::committed);
  EXPECT_EQ(this->value(1, key), odd);
  EXPECT_EQ(this->value(1, "k/empty"), "");
  EXPECT_EQ(this->txn(0, {this->present("k/empty")}, {this->erase(key)}).outcome,
            TxnOutcome::committed);
  EXPECT_EQ(this->value(1, key), "-");
  const auto large =
      this->txn(0, {}, {this->put("k/no", "x"), this->put("k/l", Value(kMaxValue + 1, 'x'))});
  EXPECT_EQ(large.outcome, TxnOutcome::refused);
  EXPECT_EQ(this->value(1, "k/no"), "-") << "all or nothing";
  EXPECT_EQ(this->txn(0, {}, {this->put("k/l", Value(kMaxValue, 'x'))}).outcome,
            TxnOutcome::committed);
}

TYPED_TEST_P(NameStoreConformance, SeveralKeysAreReadAsOfOneMoment) {
  int writes = 0, reads = 0;
  bool torn = false;
  std::function<void()> write = [&] {
    if (++writes > 200) return;
    Txn t;
    t.ops = {this->put("k/a", std::to_string(writes)), this->put("k/b", std::to_string(writes))};
    this->stores.names(0).txn(t, [&](const TxnReply&) { write(); });
  };
  std::function<void()> read = [&] {
    if (++reads > 500) return;
    this->stores.names(1).get({"k/a", "k/b"}, [&](Result<Snapshot> seen) {
      if (seen->entries.size() == 1) torn = true;
      if (seen->entries.size() == 2 && seen->entries[0].value != seen->entries[1].value)
        torn = true;
      read();
    });
  };
  write();
  read();
  ASSERT_TRUE(this->stores.run_until([&] { return writes > 200 && reads > 500; }, 60s));
  EXPECT_FALSE(torn);
}

TYPED_TEST_P(NameStoreConformance, ListsOneFolderInTheOrderOfCreation) {
  const Texts made{"z", "a", "m", "b"};
  std::vector<Rev> revs;
  for (const auto& name : made) {
    revs.push_back(this->txn(0, {}, {this->put("ns/1/" + name, name)}).rev);
    this->txn(0, {}, {this->put("ns/1/" + name + "/below", ""), this->put("ns/11/" + name, "")});
  }
  EXPECT_TRUE(std::is_sorted(revs.begin(), revs.end()));
  this->txn(1, {}, {this->put("ns/1/a", "changed")});  // keeps its place
  this->txn(1, {}, {this->erase("ns/1/z"), this->erase("ns/1/m")});
  const Rev again = this->txn(1, {}, {this->put("ns/1/z", "new")}).rev;
  const Listing all = this->list(1, "ns/1/");
  EXPECT_EQ(this->names_of(all), (Texts{"a", "b", "z"}));
  EXPECT_EQ(all.entries[0].created, revs[1]);
  EXPECT_EQ(all.entries[0].value, "changed");
  EXPECT_EQ(all.entries[2].created, again);
  EXPECT_GE(all.rev, again);
  EXPECT_EQ(this->names_of(this->list(0, "ns/1/", revs[1])), (Texts{"b", "z"}));
  EXPECT_EQ(this->names_of(this->list(0, "ns/1/", 0, 2)), (Texts{"a", "b"}));
  EXPECT_TRUE(this->list(0, "ns/1/", again).entries.empty());
  EXPECT_TRUE(this->list(0, "ns/2/").entries.empty());
  EXPECT_GE(this->list(0, "ns/1/", 0, 0).rev, again);
  EXPECT_GT(revs[0], 2u) << "1 and 2 are the cursors of `.` and `..`";
}

TYPED_TEST_P(NameStoreConformance, DeltasOfTwoNodesDoNotLoseToEachOther) {
  Inode dir;
  dir.mode = 0040755;
  dir.nlink = 2;
  dir.mtime = WallTime{1000};
  this->txn(0, {}, {this->put("ino/1", encode(dir))});
  int open = 0;
  for (int i = 0; i < 100; ++i) {
    Txn t;
    t.guards = {this->present("ino/1")};
    t.ops = {this->add("ino/1", {1, i % 2, WallTime{500}})};
    ++open;
    this->stores.names(i % 2).txn(t, [&](const TxnReply& reply) {
      EXPECT_EQ(reply.outcome, TxnOutcome::committed);
      --open;
    });
  }
  ASSERT_TRUE(this->stores.run_until([&] { return open == 0; }, 30s));
  const Inode after = *decode_inode(this->value(1, "ino/1"), Ino(1), 0);
  EXPECT_EQ(after.entries, 100u);
  EXPECT_EQ(after.nlink, 52u);
  EXPECT_EQ(after.mtime, WallTime{1100}) << "the old time + 1 ns each";
  // Two in one transaction follow each other.
  this->txn(0, {this->present("ino/1")},
            {this->add("ino/1", {5, 0, WallTime{}}), this->add("ino/1", {-4, 0, WallTime{}})});
  EXPECT_EQ(decode_inode(this->value(1, "ino/1"), Ino(1), 0)->entries, 101u);
  const auto bad = this->txn(0, {this->present("ino/1")},
                             {this->put("k/x", "1"), this->add("ino/1", {-1000, 0, {}})});
  EXPECT_EQ(bad.outcome, TxnOutcome::refused);
  EXPECT_EQ(this->value(1, "k/x"), "-");
  EXPECT_EQ(this->txn(0, {}, {this->add("ino/2", {1, 0, {}})}).outcome, TxnOutcome::refused);
}

TYPED_TEST_P(NameStoreConformance, OutcomesAreKeptUntilTheyAreDone) {
  const auto outcome = [&](int node, std::uint64_t sequence) {
    const TxnId id{NodeId(std::uint32_t(node + 1)), Incarnation(7), sequence};
    return this->template await<TxnReply>(
        [&](auto done) { this->stores.names(node).outcome(id, std::move(done)); });
  };
  const TxnReply first = this->txn(0, {}, {this->put("k/x", "1")}, 1);
  const TxnReply second = this->txn(0, {}, {this->put("k/x", "2")}, 2);
  EXPECT_EQ(this->txn(0, {this->absent("k/x")}, {this->put("k/x", "3")}, 3).outcome,
            TxnOutcome::lost);
  EXPECT_EQ(outcome(0, 1).outcome, TxnOutcome::committed);
  EXPECT_EQ(outcome(0, 1).rev, first.rev);
  EXPECT_EQ(outcome(0, 2).rev, second.rev);
  EXPECT_EQ(outcome(0, 3).outcome, TxnOutcome::refused);
  EXPECT_EQ(outcome(0, 9).outcome, TxnOutcome::refused);
  EXPECT_EQ(outcome(1, 1).outcome, TxnOutcome::refused) << "another node's";
  this->txn(0, {}, {this->put("k/x", "4")}, 4, 2);
  EXPECT_EQ(outcome(0, 1).outcome, TxnOutcome::refused) << "forgotten: below done_below";
  EXPECT_EQ(outcome(0, 2).outcome, TxnOutcome::committed);
}

REGISTER_TYPED_TEST_SUITE_P(NameStoreConformance, AnsweredOnOneNodeSeenByTheNextReadOnAnother,
                            GuardsHoldOrNothingHappensAndTheLoserIsTold, ValuesAndKeysAreBytes,
                            SeveralKeysAreReadAsOfOneMoment, ListsOneFolderInTheOrderOfCreation,
                            DeltasOfTwoNodesDoNotLoseToEachOther, OutcomesAreKeptUntilTheyAreDone);

}  // namespace dspm::test
