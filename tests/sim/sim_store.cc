#include "tests/sim/sim_store.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace dspm::sim {

using namespace names;

// ---- names

// One node's calls take effect and are answered in their order, as an engine's thread would.
class SimNameStore final : public NameStore {
 public:
  explicit SimNameStore(SimNames& names) : names_(names), open_(std::make_shared<bool>(true)) {}
  ~SimNameStore() override { SimNameStore::close(); }

  void get(std::vector<Key> keys, Done<Snapshot> done) override {
    act([this, keys = std::move(keys), done = std::move(done)] {
      auto seen = std::make_shared<Snapshot>();
      for (const Key& key : keys) {
        const auto it = names_.entries_.find(key);
        if (it != names_.entries_.end()) seen->entries.push_back(it->second);
      }
      answer([done, seen] { done(std::move(*seen)); });
    });
  }
  void list(Key prefix, Rev after, std::size_t limit, Done<Listing> done) override {
    act([this, prefix = std::move(prefix), after, limit, done = std::move(done)] {
      auto listing = std::make_shared<Listing>();
      listing->rev = names_.rev_;
      for (auto it = names_.entries_.lower_bound(prefix);
           it != names_.entries_.end() && it->first.starts_with(prefix); ++it) {
        const bool below = it->first.find('/', prefix.size()) == Key::npos;
        if (below && it->second.created > after) listing->entries.push_back(it->second);
      }
      std::sort(listing->entries.begin(), listing->entries.end(),
                [](const Entry& a, const Entry& b) { return a.created < b.created; });
      if (listing->entries.size() > limit) listing->entries.resize(limit);
      answer([done, listing] { done(std::move(*listing)); });
    });
  }
  void txn(Txn txn, std::function<void(TxnReply)> done) override {
    act([this, txn = std::move(txn), done = std::move(done)] {
      const std::uint64_t fate = names_.random() % 100;
      const SimStoreOptions& options = names_.options_;
      TxnReply reply;
      if (fate < options.unknown_percent) {
        if (names_.random() % 2 == 0) names_.apply(txn);
        reply = {TxnOutcome::unknown, 0, {}, "simulated"};
      } else if (fate < options.unknown_percent + options.refused_percent) {
        reply = {TxnOutcome::refused, 0, {}, "simulated"};
      } else {
        reply = names_.apply(txn);
      }
      answer([done, reply = std::move(reply)] { done(reply); });
    });
  }
  void outcome(TxnId id, std::function<void(TxnReply)> done) override {
    act([this, id, done = std::move(done)] {
      TxnReply reply;
      const auto it = names_.committed_.find({id.node.value, id.incarnation.value, id.sequence});
      if (it != names_.committed_.end()) reply = {TxnOutcome::committed, it->second, {}, {}};
      answer([done, reply] { done(reply); });
    });
  }
  void close() override { *open_ = false; }

 private:
  // `effect` happens later, after what was asked before.
  void act(std::function<void()> effect) { at(next_effect_, std::move(effect)); }
  void answer(std::function<void()> call) { at(next_answer_, std::move(call)); }
  void at(Time& last, std::function<void()> call) {
    const Time now = names_.options_.now();
    last = std::max(last, now + names_.delay());
    names_.options_.schedule(last - now, [open = open_, call = std::move(call)] {
      if (*open) call();
    });
  }

  SimNames& names_;
  std::shared_ptr<bool> open_;
  Time next_effect_{}, next_answer_{};
};

SimNames::SimNames(SimStoreOptions options, ApplyDelta apply_delta)
    : options_(std::move(options)), apply_delta_(apply_delta), state_(options_.seed) {}

std::unique_ptr<NameStore> SimNames::attach() { return std::make_unique<SimNameStore>(*this); }

// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t SimNames::random() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

bool SimNames::holds(const Guard& guard) const {
  const auto it = entries_.find(guard.key);
  const bool there = it != entries_.end();
  switch (guard.is) {
    case Guard::Is::at:
      return there && it->second.rev == guard.rev;
    case Guard::Is::absent:
      return !there;
    case Guard::Is::present:
      return there;
  }
  return false;
}

TxnReply SimNames::apply(const Txn& txn) {
  TxnReply lost{TxnOutcome::lost, 0, {}, {}};
  bool all = true;
  for (const Guard& guard : txn.guards) {
    all = all && holds(guard);
    const auto it = entries_.find(guard.key);
    if (it != entries_.end()) lost.seen.push_back(it->second);
  }
  if (!all) return lost;
  std::map<Key, std::optional<Entry>> changed;  // all or nothing
  const Rev rev = rev_ + 1;
  for (const Op& op : txn.ops) {
    if (op.value.size() > kMaxValue) return {TxnOutcome::refused, 0, {}, "value too large"};
    const auto there = entries_.find(op.key);
    auto& now = changed.try_emplace(op.key, std::nullopt).first->second;
    if (!now && there != entries_.end()) now = there->second;
    const Rev created = now ? now->created : rev;
    if (op.kind == Op::Kind::erase) {
      now.reset();
    } else if (op.kind == Op::Kind::put) {
      now = Entry{op.key, op.value, rev, created};
    } else {
      if (!now) return {TxnOutcome::refused, 0, {}, "no directory to change"};
      Result<Value> value = apply_delta_(now->value, op.delta);
      if (!value) return {TxnOutcome::refused, 0, {}, value.error().what};
      now = Entry{op.key, *std::move(value), rev, created};
    }
  }
  if (txn.ops.empty()) return {TxnOutcome::committed, rev_, {}, {}};
  for (auto& [key, entry] : changed) {
    if (entry) {
      entries_[key] = *std::move(entry);
    } else {
      entries_.erase(key);
    }
  }
  rev_ = rev;
  if (txn.id.node) {
    committed_[{txn.id.node.value, txn.id.incarnation.value, txn.id.sequence}] = rev;
    committed_.erase(
        committed_.lower_bound({txn.id.node.value, txn.id.incarnation.value, 0}),
        committed_.lower_bound({txn.id.node.value, txn.id.incarnation.value, txn.done_below}));
  }
  return {TxnOutcome::committed, rev, {}, {}};
}

// ---- cluster state

class SimClusterStore final : public ClusterStore {
 public:
  explicit SimClusterStore(SimCluster& cluster) : cluster_(cluster) {}

  Result<std::optional<StoreEntry>> get(const std::string& key) override {
    if (closed_) return Status::closed;
    const auto it = cluster_.entries_.find(key);
    if (it == cluster_.entries_.end()) return std::optional<StoreEntry>();
    return std::optional<StoreEntry>(it->second);
  }
  Result<StoreListing> list(const std::string& prefix) override {
    if (closed_) return Status::closed;
    StoreListing out;
    out.rev = cluster_.rev_;
    for (auto it = cluster_.entries_.lower_bound(prefix);
         it != cluster_.entries_.end() && it->first.starts_with(prefix); ++it) {
      out.entries.push_back(it->second);
    }
    return out;
  }
  Result<StoreReply> txn(const std::vector<StoreGuard>& guards,
                         const std::vector<StoreOp>& ops) override {
    if (closed_) return Status::closed;
    if (Error bad = check_txn(guards, ops); bad.status != Status::ok) return bad;
    StoreReply reply = cluster_.apply(guards, ops);
    cluster_.tell_all();
    return reply;
  }
  Result<std::unique_ptr<Watch>> watch(const std::string& prefix, StoreRev after,
                                       std::function<void(const StoreBatch&)> on_batch) override {
    if (closed_) return Status::closed;
    struct SimWatch final : Watch {
      ~SimWatch() override { watcher->closed = true; }
      std::shared_ptr<SimCluster::Watcher> watcher;
    };
    auto watch = std::make_unique<SimWatch>();
    watch->watcher = std::make_shared<SimCluster::Watcher>();
    watch->watcher->prefix = prefix;
    watch->watcher->last = after;
    watch->watcher->call = std::move(on_batch);
    mine_.push_back(watch->watcher);
    cluster_.watchers_.push_back(watch->watcher);
    cluster_.tell_all();
    return std::unique_ptr<Watch>(std::move(watch));
  }
  Result<std::unique_ptr<Session>> session(const std::string& key, const std::string& value,
                                           Duration) override {
    if (closed_) return Status::closed;
    if (cluster_.alive_.contains(key)) return {Status::busy, "another daemon holds " + key};
    cluster_.apply({}, {{StoreOp::Kind::erase, key, {}, 0}});
    const StoreReply made = cluster_.apply({}, {{StoreOp::Kind::put, key, value, 0}});
    cluster_.alive_[key] = made.rev;
    cluster_.tell_all();
    return std::unique_ptr<Session>(std::make_unique<SimSession>(*this, key, made.rev));
  }
  Result<StoreRev> compact(StoreRev keep_from) override {
    if (closed_) return Status::closed;
    if (keep_from > cluster_.rev_) return {Status::invalid, "compact beyond the newest revision"};
    cluster_.compacted_ = std::max(cluster_.compacted_, keep_from);
    std::erase_if(cluster_.log_, [&](const auto& l) { return l.rev < cluster_.compacted_; });
    return cluster_.compacted_;
  }
  Result<std::string> identity() override {
    if (closed_) return Status::closed;
    return std::string("sim");
  }
  void close() override {
    closed_ = true;
    for (const auto& watcher : mine_) {
      if (auto w = watcher.lock()) w->closed = true;
    }
  }

 private:
  struct SimSession final : Session {
    SimSession(SimClusterStore& s, std::string k, StoreRev r)
        : store(s), key(std::move(k)), made(r) {}
    ~SimSession() override {
      const auto it = store.cluster_.alive_.find(key);
      if (it == store.cluster_.alive_.end() || it->second != made) return;  // killed
      const std::string left = "left/" + key.substr(key.find('/') + 1);
      (void)store.txn({{key, made, {}}}, {{StoreOp::Kind::erase, key, {}, 0},
                                          {StoreOp::Kind::put, left, std::to_string(made), 0}});
      store.cluster_.alive_.erase(it);
    }
    StoreRev rev() const override { return made; }
    LeaseId id() const override { return made; }
    Time deadline() const override { return kNever; }
    bool lost() const override {
      const auto it = store.cluster_.entries_.find(key);
      return it == store.cluster_.entries_.end() || it->second.modified != made;
    }
    SimClusterStore& store;
    const std::string key;
    const StoreRev made;
  };

  SimCluster& cluster_;
  bool closed_ = false;
  std::vector<std::weak_ptr<SimCluster::Watcher>> mine_;
};

std::unique_ptr<ClusterStore> SimCluster::attach() {
  return std::make_unique<SimClusterStore>(*this);
}

StoreReply SimCluster::apply(const std::vector<StoreGuard>& guards,
                             const std::vector<StoreOp>& ops) {
  StoreReply reply;
  reply.committed = true;
  for (const StoreGuard& guard : guards) {
    const auto it = entries_.find(guard.key);
    const bool there = it != entries_.end();
    const bool holds = guard.value ? there && it->second.value == *guard.value
                                   : (there ? it->second.modified : 0) == guard.modified;
    reply.committed = reply.committed && holds;
    if (there) reply.seen.push_back(it->second);
  }
  if (reply.committed) {
    reply.seen.clear();
    bool any = false;
    for (const StoreOp& op : ops) any = apply(op) || any;
    if (any) ++rev_;
  }
  reply.rev = rev_;
  return reply;
}

bool SimCluster::apply(const StoreOp& op) {
  const StoreRev rev = rev_ + 1;
  const auto it = entries_.find(op.key);
  if (op.kind == StoreOp::Kind::erase) {
    if (it == entries_.end()) return false;
    entries_.erase(it);
    log_.push_back({rev, {true, {op.key, {}, 0, rev, 0}}});
    return true;
  }
  const StoreRev created = it == entries_.end() ? rev : it->second.created;
  const StoreEntry entry{op.key, op.value, created, rev, op.lease};
  entries_[op.key] = entry;
  log_.push_back({rev, {false, entry}});
  return true;
}

void SimCluster::tell_all() {
  std::erase_if(watchers_, [](const auto& w) { return w.expired(); });
  for (const auto& weak : watchers_) {
    options_.schedule(options_.delay_max, [this, weak] {
      if (auto watcher = weak.lock(); watcher && !watcher->closed) tell(*watcher);
    });
  }
}

void SimCluster::tell(Watcher& watcher) {
  StoreBatch batch;
  batch.rev = rev_;
  if (batch.rev <= watcher.last) return;
  batch.reset = watcher.last + 1 < compacted_;
  for (const Logged& logged : log_) {
    if (batch.reset || logged.rev <= watcher.last) continue;
    if (logged.event.entry.key.starts_with(watcher.prefix)) batch.events.push_back(logged.event);
  }
  watcher.last = batch.rev;
  if (batch.reset || !batch.events.empty()) watcher.call(batch);
}

}  // namespace dspm::sim
