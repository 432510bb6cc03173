// How every NameStore answers: in order, and nothing after close(); `Stores` as
// name_store_fixture.h says.
#pragma once

#include <algorithm>

#include "tests/unit/namespace/name_store_fixture.h"

namespace dspm::test {

template <class Stores>
class NameStoreCalls : public NameStoreConformance<Stores> {};
TYPED_TEST_SUITE_P(NameStoreCalls);

TYPED_TEST_P(NameStoreCalls, AnswersInTheOrderOfAsking) {
  std::vector<int> order;
  for (int i = 0; i < 300; ++i) {
    if (i % 3 == 0) {
      Txn t;
      t.ops = {this->put("k/x", std::to_string(i))};
      this->stores.names(0).txn(t, [&order, i](const TxnReply&) { order.push_back(i); });
    } else {
      this->stores.names(0).get({"k/x"}, [&order, i](Result<Snapshot> seen) {
        EXPECT_EQ(seen->entries.at(0).value, std::to_string(i / 3 * 3)) << "reads its own writes";
        order.push_back(i);
      });
    }
  }
  ASSERT_TRUE(this->stores.run_until([&] { return order.size() == 300; }, 30s));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TYPED_TEST_P(NameStoreCalls, NothingCompletesAfterClose) {
  bool called = false;
  for (int i = 0; i < 100; ++i) {
    this->stores.names(0).get({"k/x"}, [&](const Result<Snapshot>&) { called = true; });
  }
  this->stores.names(0).close();
  this->stores.drop_posted();
  this->stores.names(0).get({"k/x"}, [&](const Result<Snapshot>&) { called = true; });
  this->stores.names(0).close();
  this->stores.run_until([] { return false; }, 50ms);
  EXPECT_FALSE(called);
  EXPECT_EQ(this->value(1, "k/x"), "-") << "the other goes on";
}

REGISTER_TYPED_TEST_SUITE_P(NameStoreCalls, AnswersInTheOrderOfAsking, NothingCompletesAfterClose);

}  // namespace dspm::test
