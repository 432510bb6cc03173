#include "namespace/cluster/membership.h"

#include <nlohmann/json.hpp>

namespace dspm::names {
namespace {

using Json = nlohmann::json;

constexpr const char* kClusterKey = "cfg/cluster";
std::string member_key(NodeId n) { return "member/" + std::to_string(n.value); }
std::string node_key(NodeId n) { return "node/" + std::to_string(n.value); }
std::string group_key(GroupId g) { return "pg/" + std::to_string(g.value); }

// Runs `read` over the parsed text; whatever does not fit is one error.
template <class T, class F>
Result<T> decode_json(const std::string& text, const char* kind, F read) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{Status::corrupt, std::string(kind) + " is not an object"};
  try {
    return read(json);
  } catch (const Json::exception& e) {
    return Error{Status::corrupt, std::string(kind) + ": " + e.what()};
  }
}

}  // namespace

std::string encode(const ClusterRecord& r) {
  return Json{{"id", r.id},
              {"format", r.format},
              {"replicas", r.replicas},
              {"min_replicas", r.min_replicas}}
      .dump();
}

Result<ClusterRecord> decode_cluster(const std::string& text) {
  return decode_json<ClusterRecord>(
      text, "cfg/cluster", [](const Json& j) -> Result<ClusterRecord> {
        ClusterRecord r{j.at("id"), j.at("format"), j.at("replicas"), j.at("min_replicas")};
        if (r.format != 1)
          return Error{Status::foreign, "cluster of format " + std::to_string(r.format)};
        return r;
      });
}

std::string encode(const MemberRecord& r) {
  return Json{{"node", r.node.value}, {"pool", r.pool}, {"zone", r.zone},
              {"host", r.host},       {"port", r.port}, {"state", r.draining ? "draining" : "up"}}
      .dump();
}

Result<MemberRecord> decode_member(const std::string& text) {
  return decode_json<MemberRecord>(text, "member", [](const Json& j) -> Result<MemberRecord> {
    MemberRecord r;
    r.node = NodeId(j.at("node").get<std::uint32_t>());
    r.pool = j.at("pool");
    r.zone = j.at("zone");
    r.host = j.at("host");
    r.port = j.at("port").get<std::uint16_t>();
    r.draining = j.at("state").get<std::string>() == "draining";
    if (!r.node) return Error{Status::corrupt, "member without a number"};
    return r;
  });
}

std::string encode(const GroupRecord& r) {
  std::vector<std::uint32_t> members;
  for (const NodeId node : r.members) members.push_back(node.value);
  return Json{{"group", r.group.value},
              {"epoch", r.epoch.value},
              {"primary", r.primary.value},
              {"incarnation", r.incarnation.value},
              {"members", members},
              {"in_sync", r.in_sync},
              {"size", r.size}}
      .dump();
}

Result<GroupRecord> decode_group(const std::string& text) {
  return decode_json<GroupRecord>(text, "pg", [](const Json& j) -> Result<GroupRecord> {
    GroupRecord r;
    r.group = GroupId(j.at("group").get<std::uint32_t>());
    r.epoch = Epoch(j.at("epoch").get<std::uint32_t>());
    r.primary = NodeId(j.at("primary").get<std::uint32_t>());
    r.incarnation = Incarnation(j.at("incarnation").get<std::uint64_t>());
    for (const std::uint32_t m : j.at("members").get<std::vector<std::uint32_t>>()) {
      r.members.push_back(NodeId(m));
    }
    r.in_sync = j.at("in_sync").get<std::vector<std::string>>();
    r.size = j.at("size");
    if (!r.group || r.members.empty()) return Error{Status::corrupt, "pg without members"};
    return r;
  });
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

constexpr int kTries = 50;  // of a guarded transaction against others that start at the same time

}  // namespace

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
      if (*there) continue;
      GroupRecord record;
      record.group = group;
      record.members = {member.node};
      if (!member.pool.empty()) record.in_sync = {member.pool};
      guards.push_back({group_key(group), 0, {}});
      ops.push_back({StoreOp::Kind::put, group_key(group), encode(record), 0});
    }
    Result<StoreReply> reply = store.txn(guards, ops);
    if (!reply) return reply.error();
    if (reply->committed) return Done{};
  }
  return Error{Status::busy, "others keep changing the cluster's records; try again"};
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
      store.session(node_key(node), Json{{"node", node.value}}.dump(), std::chrono::seconds(5));
  if (!session) return session.error();
  Joined joined;
  joined.session = *std::move(session);
  joined.incarnation = Incarnation(joined.session->rev());
  const std::string key = group_key(own_group(node));
  for (int i = 0; i < kTries; ++i) {
    Result<std::optional<StoreEntry>> entry = store.get(key);
    if (!entry) return entry.error();
    if (!*entry) return Error{Status::no_entry, "group " + key + " is missing"};
    Result<GroupRecord> group = decode_group((*entry)->value);
    if (!group) return group.error();
    group->epoch = Epoch(group->epoch.value + 1);  // [P6]
    group->primary = node;
    group->incarnation = joined.incarnation;
    // [S3] guarded by the old revision and the writer's session
    Result<StoreReply> reply =
        store.txn({{key, (*entry)->modified, {}}, {node_key(node), joined.session->rev(), {}}},
                  {{StoreOp::Kind::put, key, encode(*group), 0}});
    if (!reply) return reply.error();
    if (!reply->committed) continue;
    joined.group = *group;
    return joined;
  }
  return Error{Status::busy, "group " + key + " keeps changing; try again"};
}

Result<ClusterView> read_view(ClusterStore& store) {
  Result<StoreListing> all = store.list("");
  if (!all) return all.error();
  ClusterView view;
  view.rev = all->rev;
  for (const StoreEntry& entry : all->entries) {
    if (entry.key.starts_with("member/")) {
      Result<MemberRecord> member = decode_member(entry.value);
      if (!member) return member.error();
      view.members[member->node] = *member;
    } else if (entry.key.starts_with("pg/")) {
      Result<GroupRecord> group = decode_group(entry.value);
      if (!group) return group.error();
      view.groups[group->group] = *group;
    } else if (entry.key.starts_with("node/")) {
      const NodeId node(std::uint32_t(std::strtoul(entry.key.c_str() + 5, nullptr, 10)));
      view.nodes[node] = {node, Incarnation(entry.created)};
    }
  }
  return view;
}

Result<std::unique_ptr<ClusterStore::Watch>> watch_view(
    ClusterStore& store, std::function<void(const ClusterView&)> on_view) {
  Result<ClusterView> first = read_view(store);
  if (!first) return first.error();
  on_view(*first);
  // A watch is a hint: the view is read afresh, so that no event is ever applied twice or missed.
  return store.watch("", first->rev, [&store, on_view](const StoreBatch&) {
    if (Result<ClusterView> view = read_view(store)) on_view(*view);
  });
}

}  // namespace dspm::names
