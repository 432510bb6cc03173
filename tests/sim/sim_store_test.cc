// The simulated stores: the suites of both ports and of the tree, as for the real engines, and what
// only they do: leave outcomes unknown.
#include "tests/sim/sim_store.h"

#include <map>
#include <memory>

#include "tests/unit/namespace/cluster_store_conformance.h"
#include "tests/unit/namespace/name_store_calls.h"
#include "tests/unit/namespace/name_store_conformance.h"
#include "tests/unit/namespace/tree_moves_suite.h"
#include "tests/unit/namespace/tree_names_suite.h"

namespace dspm::test {
namespace {

struct SimStores {
  explicit SimStores(unsigned unknown_percent = 0, std::uint64_t seed = 1) {
    sim::SimStoreOptions options;
    options.now = [this] { return time; };
    options.schedule = [this](Duration delay, std::function<void()> call) {
      calls.emplace(std::pair(time + delay, ++order), std::move(call));
    };
    options.seed = seed;
    options.unknown_percent = unknown_percent;
    shared_names = std::make_unique<sim::SimNames>(options, apply_delta);
    shared_cluster = std::make_unique<sim::SimCluster>(options);
    for (int i = 0; i < 2; ++i) {
      name_stores[i] = shared_names->attach();
      clusters[i] = shared_cluster->attach();
    }
  }
  NameStore& names(int node) { return *name_stores[node]; }
  ClusterStore& cluster(int node) { return *clusters[node]; }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const Time end = time + limit;
    while (!done()) {
      if (calls.empty() || calls.begin()->first.first > end) {
        time = end;
        return done();
      }
      const auto next = calls.extract(calls.begin());
      time = next.key().first;
      next.mapped()();
    }
    return true;
  }
  void drop_posted() {}
  Time now() const { return time; }
  StoreRev dead_session(const std::string& key, const std::string& value) {
    const auto session = *clusters[0]->session(key, value, 5s);
    shared_cluster->kill(key);
    return session->rev();
  }

  Time time{};
  std::uint64_t order = 0;
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> calls;
  std::unique_ptr<sim::SimNames> shared_names;
  std::unique_ptr<sim::SimCluster> shared_cluster;
  std::unique_ptr<NameStore> name_stores[2];
  std::unique_ptr<ClusterStore> clusters[2];
};

INSTANTIATE_TYPED_TEST_SUITE_P(Sim, NameStoreConformance, SimStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, NameStoreCalls, SimStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, ClusterStoreConformance, SimStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, TreeNames, SimStores);
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, TreeMoves, SimStores);

// An operation may fail where the store says "surely not applied"; what it says is always true.
TEST(SimStores, UnknownOutcomesAreLookedUpBeforeAnythingIsAnswered) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimStores stores(33, seed);
    TreeOptions options;
    options.self = NodeId(1);
    options.incarnation = Incarnation(1);
    options.layout = local_layout(GroupId(1));
    options.now = [&] { return stores.time; };
    Tree tree(stores.names(0), options);
    const auto await = [&](auto ask) {
      std::optional<Status> out;
      ask([&](const auto& answer) { out = answer.status(); });
      EXPECT_TRUE(stores.run_until([&] { return out.has_value(); }, 40s));
      return *out;
    };
    while (await([&](auto d) { tree.make_root({}, d); }) != Status::ok) {
    }
    std::size_t there = 0;
    for (int i = 0; i < 50; ++i) {
      const std::string name = "f" + std::to_string(i);
      const Status made = await([&](auto d) {
        tree.create(kRootIno, name, {0100644, 0, 0, {}}, d);
      });
      EXPECT_TRUE(made == Status::ok || made == Status::unavailable) << int(made);
      const Status found = await([&](auto d) { tree.lookup(kRootIno, name, d); });
      EXPECT_EQ(found, made == Status::ok ? Status::ok : Status::no_entry);
      there += made == Status::ok;
    }
    EXPECT_GT(there, 30u);
    const auto root = stores.shared_names->entries().at(inode_key(kRootIno));
    EXPECT_EQ(decode_inode(root.value, kRootIno, 0)->entries, there);
  }
}

}  // namespace
}  // namespace dspm::test
