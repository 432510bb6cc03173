// Helpers of name_store_conformance.h. `Stores` gives names(0) and names(1), two nodes' ways to the
// same names, run_until(condition, limit), which turns the one loop of both, and now().
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "namespace/tree/inode.h"
#include "namespace/tree/name_store.h"

namespace dspm::test {

using namespace names;
using namespace std::chrono_literals;

template <class Stores>
class NameStoreConformance : public ::testing::Test {
 public:
  // The answer of `ask(done)`; it must come, and not inside the call.
  template <class T, class Ask>
  T await(Ask ask) {
    std::optional<T> out;
    ask([&](T answer) {
      EXPECT_FALSE(out) << "answered twice";
      out = std::move(answer);
    });
    EXPECT_FALSE(out) << "answered inside the call";
    EXPECT_TRUE(stores.run_until([&] { return out.has_value(); }, 30s));
    return *std::move(out);
  }
  Snapshot get(int node, std::vector<Key> keys) {
    auto seen = await<Result<Snapshot>>(
        [&](auto done) { stores.names(node).get(std::move(keys), std::move(done)); });
    return *std::move(seen);
  }
  std::string value(int node, const Key& key) {
    const Snapshot seen = get(node, {key});
    return seen.entries.empty() ? "-" : seen.entries[0].value;
  }
  Listing list(int node, const Key& prefix, Rev after = 0, std::size_t limit = 1000) {
    auto listing = await<Result<Listing>>(
        [&](auto done) { stores.names(node).list(prefix, after, limit, std::move(done)); });
    return *std::move(listing);
  }
  TxnReply txn(int node, std::vector<Guard> guards, std::vector<Op> ops, std::uint64_t sequence = 0,
               std::uint64_t done_below = 0) {
    Txn t;
    if (sequence) t.id = {NodeId(std::uint32_t(node + 1)), Incarnation(7), sequence};
    t.done_below = done_below;
    t.guards = std::move(guards);
    t.ops = std::move(ops);
    return await<TxnReply>([&](auto done) { stores.names(node).txn(t, std::move(done)); });
  }
  static Op put(Key key, Value v) { return {Op::Kind::put, std::move(key), std::move(v), {}}; }
  static Op erase(Key key) { return {Op::Kind::erase, std::move(key), {}, {}}; }
  static Op add(Key key, Delta delta) { return {Op::Kind::add, std::move(key), {}, delta}; }
  static Guard absent(Key key) { return {Guard::Is::absent, std::move(key), 0}; }
  static Guard present(Key key) { return {Guard::Is::present, std::move(key), 0}; }
  static Guard at(Key key, Rev rev) { return {Guard::Is::at, std::move(key), rev}; }
  static std::vector<std::string> names_of(const Listing& listing) {
    std::vector<std::string> out;
    for (const Entry& e : listing.entries) out.push_back(e.key.substr(e.key.rfind('/') + 1));
    return out;
  }

  Stores stores;
};

}  // namespace dspm::test
