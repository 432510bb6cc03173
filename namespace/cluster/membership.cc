#include "namespace/cluster/membership.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "namespace/cluster/json_fields.h"

namespace dspm::names {
namespace {

using Json = nlohmann::json;

constexpr const char* kClusterKey = "cfg/cluster";
constexpr std::uint32_t kFormat = 1;
constexpr std::uint32_t kLastEpoch = (1u << 24) - 1;  // [P6] an LSN has 24 bits for it
constexpr std::size_t kMaxText = 255;                 // of a name, an address, an id
constexpr std::size_t kMaxMembers = 4096;             // of a group

std::string member_key(NodeId n) { return "member/" + std::to_string(n.value); }
std::string node_key(NodeId n) { return "node/" + std::to_string(n.value); }
std::string group_key(GroupId g) { return "pg/" + std::to_string(g.value); }

// Bytes that are no UTF-8 are replaced rather than thrown about.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The number behind `prefix`; 0 where there is none.
std::uint32_t number_of(const std::string& key, std::string_view prefix) {
  std::uint32_t n = 0;
  if (!key.starts_with(prefix)) return 0;
  const char* end = key.data() + key.size();
  const auto [stop, error] = std::from_chars(key.data() + prefix.size(), end, n);
  return error == std::errc() && stop == end ? n : 0;
}

}  // namespace

std::string encode(const ClusterRecord& r) {
  return dump(Json{{"id", r.id},
                   {"format", r.format},
                   {"replicas", r.replicas},
                   {"min_replicas", r.min_replicas}});
}

Result<ClusterRecord> decode_cluster(const std::string& text) {
  JsonFields fields(text, kClusterKey);
  ClusterRecord r;
  fields.get("id", r.id, kMaxText);
  fields.get("format", r.format);
  if (fields.good() && r.format != kFormat) {
    return Error{Status::foreign, "cluster of format " + std::to_string(r.format)};
  }
  fields.get("replicas", r.replicas);
  fields.get("min_replicas", r.min_replicas);
  if (r.id.empty() || r.replicas == 0 || r.min_replicas == 0 || r.min_replicas > r.replicas) {
    fields.fail("id and replicas make no sense");
  }
  return fields.finish(std::move(r));
}

std::string encode(const MemberRecord& r) {
  return dump(Json{{"node", r.node.value},
                   {"pool", r.pool},
                   {"zone", r.zone},
                   {"host", r.host},
                   {"port", r.port},
                   {"state", r.draining ? "draining" : "up"}});
}

Result<MemberRecord> decode_member(const std::string& text) {
  JsonFields fields(text, "member");
  MemberRecord r;
  std::string state;
  fields.get("node", r.node.value);
  fields.get("pool", r.pool, kMaxText);
  fields.get("zone", r.zone, kMaxText);
  fields.get("host", r.host, kMaxText);
  fields.get("port", r.port);
  fields.get("state", state, kMaxText);
  r.draining = state == "draining";
  if (!r.node) fields.fail("node is 0");
  if (state != "up" && state != "draining") fields.fail("state is neither up nor draining");
  return fields.finish(std::move(r));
}

std::string encode(const GroupRecord& r) {
  std::vector<std::uint32_t> members;
  for (const NodeId node : r.members) members.push_back(node.value);
  return dump(Json{{"group", r.group.value},
                   {"epoch", r.epoch.value},
                   {"primary", r.primary.value},
                   {"incarnation", r.incarnation.value},
                   {"members", members},
                   {"in_sync", r.in_sync},
                   {"size", r.size}});
}

Result<GroupRecord> decode_group(const std::string& text) {
  JsonFields fields(text, "pg");
  GroupRecord r;
  std::vector<std::uint32_t> members;
  fields.get("group", r.group.value);
  fields.get("epoch", r.epoch.value);
  fields.get("primary", r.primary.value);
  fields.get("incarnation", r.incarnation.value);
  fields.get("members", members, kMaxMembers);
  fields.get("in_sync", r.in_sync, kMaxMembers, kMaxText);
  fields.get("size", r.size);
  for (const std::uint32_t member : members) {
    if (member == 0) fields.fail("a member is 0");
    r.members.push_back(NodeId(member));
  }
  const auto found = std::find(r.members.begin(), r.members.end(), r.primary);
  if (!r.group || r.members.empty() || r.size == 0) fields.fail("no group or no members");
  if (r.epoch.value > kLastEpoch) fields.fail("epoch beyond 24 bits");
  if (r.primary && (found == r.members.end() || !r.incarnation)) {
    fields.fail("the primary is no member or has no incarnation");
  }
  return fields.finish(std::move(r));
}

namespace {

// The cluster record of the store. Errors: no_entry, foreign.
Result<StoreEntry> check_cluster(ClusterStore& store, const std::string& id) {
  Result<std::optional<StoreEntry>> entry = store.get(kClusterKey);
  if (!entry) return entry.error();
  if (!*entry) return Error{Status::no_entry, "the store holds no cluster: initialise it first"};
  Result<ClusterRecord> cluster = decode_cluster((*entry)->value);
  if (!cluster) return cluster.error();
  if (cluster->id != id) {
    return Error{Status::foreign, "the store belongs to cluster " + cluster->id + ", not " + id};
  }
  return **entry;
}

// Revisions that each life leaves for those who watch: some twenty lives. Who is further behind
// lists again.
constexpr StoreRev kKept = 64;

constexpr int kTries = 50;  // of a guarded transaction against others that start at the same time

}  // namespace

Result<ClusterRecord> read_cluster(ClusterStore& store) {
  Result<std::optional<StoreEntry>> entry = store.get(kClusterKey);
  if (!entry) return entry.error();
  if (!*entry) return Error{Status::no_entry, "the store holds no cluster: initialise it first"};
  return decode_cluster((*entry)->value);
}

std::vector<NodeId> choose_members(NodeId first, const std::vector<MemberRecord>& members,
                                   std::uint32_t size) {
  const auto own = std::find_if(members.begin(), members.end(),
                                [&](const MemberRecord& m) { return m.node == first; });
  std::vector<std::tuple<bool, std::uint64_t, NodeId>> others;
  for (const MemberRecord& other : members) {
    if (other.node == first) continue;
    // splitmix64 of (group, node): the same on every machine, and well spread.
    std::uint64_t h = (std::uint64_t{first.value} << 32 | other.node.value) + 0x9E3779B97F4A7C15ull;
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ h >> 27) * 0x94D049BB133111EBull;
    const bool same_zone = own != members.end() && other.zone == own->zone;
    others.emplace_back(same_zone, h ^ h >> 31, other.node);
  }
  std::sort(others.begin(), others.end());
  std::vector<NodeId> chosen{first};
  for (const auto& [zone, rank, node] : others) {
    if (chosen.size() < size) chosen.push_back(node);
  }
  return chosen;
}

Outcome init_cluster(ClusterStore& store, const ClusterRecord& cluster,
                     const std::vector<MemberRecord>& members) {
  for (int i = 0; i < kTries; ++i) {
    const Result<StoreEntry> known = check_cluster(store, cluster.id);
    if (!known && known.status() != Status::no_entry) return known.error();
    std::vector<StoreGuard> guards{{kClusterKey, known ? known->modified : 0, {}}};
    std::vector<StoreOp> ops;
    if (!known) ops.push_back({StoreOp::Kind::put, kClusterKey, encode(cluster), 0});
    for (const MemberRecord& member : members) {
      ops.push_back({StoreOp::Kind::put, member_key(member.node), encode(member), 0});
      const GroupId group = own_group(member.node);
      Result<std::optional<StoreEntry>> there = store.get(group_key(group));
      if (!there) return there.error();
      if (*there) continue;  // [P6] a group goes on where it was
      GroupRecord record;
      record.group = group;
      record.members = choose_members(member.node, members, cluster.replicas);
      record.size = std::uint32_t(record.members.size());
      for (const MemberRecord& other : members) {  // [S2]
        const bool in = std::find(record.members.begin(), record.members.end(), other.node) !=
                        record.members.end();
        if (in && !other.pool.empty()) record.in_sync.push_back(other.pool);
      }
      guards.push_back({group_key(group), 0, {}});
      ops.push_back({StoreOp::Kind::put, group_key(group), encode(record), 0});
    }
    Result<StoreReply> reply = store.txn(guards, ops);
    if (!reply) return reply.error();
    if (reply->committed) return Done{};
  }
  return Error{Status::busy, "others keep changing the cluster's records; try again"};
}

Result<GroupRecord> take_over(ClusterStore& store, GroupId id, NodeId self,
                              Incarnation incarnation) {
  const std::string key = group_key(id);
  for (int i = 0; i < kTries; ++i) {
    Result<std::optional<StoreEntry>> entry = store.get(key);
    if (!entry) return entry.error();
    if (!*entry) return Error{Status::no_entry, "group " + key + " is missing"};
    Result<GroupRecord> group = decode_group((*entry)->value);
    if (!group) return group.error();
    if (std::find(group->members.begin(), group->members.end(), self) == group->members.end()) {
      return Error{Status::invalid, "this node is no member of group " + key};
    }
    if (group->epoch.value >= kLastEpoch) {
      return Error{Status::too_large, "group " + key + " has used all its epochs"};
    }
    group->epoch = Epoch(group->epoch.value + 1);  // [P6] no epoch is resumed
    group->primary = self;
    group->incarnation = incarnation;
    // [S3] guarded by the old revision and the writer's session
    Result<StoreReply> reply =
        store.txn({{key, (*entry)->modified, {}}, {node_key(self), incarnation.value, {}}},
                  {{StoreOp::Kind::put, key, encode(*group), 0}});
    // Perhaps applied: the next look tells, and one epoch more does no harm.
    if (!reply && reply.status() != Status::unknown) return reply.error();
    if (reply && reply->committed) return group;
    const auto still = store.get(node_key(self));
    if (still && (!*still || (*still)->modified != incarnation.value)) {
      return Error{Status::gone, "another life of this node has taken its place"};
    }
  }
  return Error{Status::busy, "group " + key + " keeps changing; try again"};
}

Result<Joined> join(ClusterStore& store, const std::string& cluster_id, NodeId node) {
  const Result<StoreEntry> cluster = check_cluster(store, cluster_id);
  if (!cluster) return cluster.error();
  Result<std::optional<StoreEntry>> member = store.get(member_key(node));
  if (!member) return member.error();
  if (!*member) {
    return Error{Status::no_entry, "node " + std::to_string(node.value) +
                                       " is not a member of cluster " + cluster_id};
  }
  auto session =
      store.session(node_key(node), dump(Json{{"node", node.value}}), std::chrono::seconds(5));
  if (!session) return session.error();
  Joined joined;
  joined.session = *std::move(session);
  joined.incarnation = Incarnation(joined.session->rev());
  Result<GroupRecord> group = take_over(store, own_group(node), node, joined.incarnation);
  if (!group) return group.error();
  joined.group = *group;
  // Each life adds a few revisions and takes some away, so that the store does not grow for ever.
  if (joined.session->rev() > kKept) (void)store.compact(joined.session->rev() - kKept);
  return joined;
}

namespace {

// Errors: corrupt. A key that is none of the view's is nothing.
Outcome put_record(ClusterView& view, const StoreEntry& entry) {
  if (entry.key.starts_with("member/")) {
    const NodeId node(number_of(entry.key, "member/"));
    Result<MemberRecord> member = decode_member(entry.value);
    if (!member) return member.error();
    if (member->node != node) return {Status::corrupt, entry.key + " speaks of another"};
    view.members[node] = *std::move(member);
  } else if (entry.key.starts_with("pg/")) {
    const GroupId id(number_of(entry.key, "pg/"));
    Result<GroupRecord> group = decode_group(entry.value);
    if (!group) return group.error();
    if (group->group != id) return {Status::corrupt, entry.key + " speaks of another"};
    view.groups[id] = *std::move(group);
  } else if (entry.key.starts_with("node/")) {
    const NodeId node(number_of(entry.key, "node/"));
    if (!node) return {Status::corrupt, entry.key + " is no node"};
    view.nodes[node] = {node, Incarnation(entry.modified)};  // [S1]
  }
  return Done{};
}

void erase_record(ClusterView& view, const std::string& key) {
  view.members.erase(NodeId(number_of(key, "member/")));
  view.groups.erase(GroupId(number_of(key, "pg/")));
  view.nodes.erase(NodeId(number_of(key, "node/")));
}

}  // namespace

Outcome fold(ClusterView& view, const StoreBatch& batch) {
  Outcome outcome = Done{};
  for (const StoreEvent& event : batch.events) {
    if (event.entry.modified <= view.rev) continue;  // a listing had it already
    if (event.erased) {
      erase_record(view, event.entry.key);
    } else if (Outcome put = put_record(view, event.entry); !put) {
      outcome = put;
    }
  }
  view.rev = std::max(view.rev, batch.rev);
  return outcome;
}

Result<ClusterView> read_view(ClusterStore& store) {
  Result<StoreListing> all = store.list("");
  if (!all) return all.error();
  ClusterView view;
  for (const StoreEntry& entry : all->entries) {
    if (Outcome put = put_record(view, entry); !put) return put.error();
  }
  view.rev = all->rev;
  return view;
}

namespace {

struct ViewWatch final : ClusterStore::Watch {
  void take(ClusterStore& store, const StoreBatch& batch) {
    stale = stale || batch.reset;
    if (stale) {
      Result<ClusterView> fresh = read_view(store);
      if (!fresh) return;  // the next change tries again
      stale = false;
      view = *std::move(fresh);
    } else if (!fold(view, batch)) {
      // A record that does not decode: what was known of it stays.
    }
    on_view(view);
  }
  ClusterView view;  // from the first callback on: the engine's thread
  bool stale = false;
  std::function<void(const ClusterView&)> on_view;
  std::unique_ptr<ClusterStore::Watch> inner;  // ends first
};

}  // namespace

Result<std::unique_ptr<ClusterStore::Watch>> watch_view(
    ClusterStore& store, std::function<void(const ClusterView&)> on_view) {
  Result<ClusterView> first = read_view(store);
  if (!first) return first.error();
  auto watching = std::make_unique<ViewWatch>();
  watching->view = *std::move(first);
  watching->on_view = std::move(on_view);
  watching->on_view(watching->view);
  auto inner =
      store.watch("", watching->view.rev,
                  [&store, w = watching.get()](const StoreBatch& b) { w->take(store, b); });
  if (!inner) return inner.error();
  watching->inner = *std::move(inner);
  return std::unique_ptr<ClusterStore::Watch>(std::move(watching));
}

}  // namespace dspm::names
