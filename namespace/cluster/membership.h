// Members, sessions and replica groups in the cluster store, and what a change of them means
// (3-protocol §4 S1-S4; P6). Records are JSON objects, decoded strictly.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "namespace/cluster/cluster_store.h"
#include "utils/base/ids.h"
#include "utils/base/result.h"

namespace dspm::names {

// `cfg/cluster`
struct ClusterRecord {
  std::string id;
  std::uint32_t format = 1, replicas = 1, min_replicas = 1;
  bool operator==(const ClusterRecord&) const = default;
};
// `member/<id>`
struct MemberRecord {
  NodeId node;
  std::string pool;  // [S2] pool id; empty until there are pools
  std::string zone;
  std::string host;
  std::uint16_t port = 0;
  bool draining = false;
  bool operator==(const MemberRecord&) const = default;
};
// `pg/<g>` [S1] [S4]
struct GroupRecord {
  GroupId group;
  Epoch epoch;
  NodeId primary;           // 0 = none yet
  Incarnation incarnation;  // of the primary
  std::vector<NodeId> members;
  std::vector<std::string> in_sync;  // [S2] pool ids
  std::uint32_t size = 1;
  bool operator==(const GroupRecord&) const = default;
};
// `node/<id>`: its revision is the incarnation.
struct NodeRecord {
  NodeId node;
  Incarnation incarnation;
  bool operator==(const NodeRecord&) const = default;
};

std::string encode(const ClusterRecord&);
std::string encode(const MemberRecord&);
std::string encode(const GroupRecord&);
// Strict and bounded: exactly these fields, each in its range. Errors: corrupt, with what is wrong;
// foreign (a cluster of another format).
Result<ClusterRecord> decode_cluster(const std::string& text);
Result<MemberRecord> decode_member(const std::string& text);
Result<GroupRecord> decode_group(const std::string& text);

// The group whose first member is `node`: one of size 1 for each node, with the node's number.
constexpr GroupId own_group(NodeId node) { return GroupId(node.value); }

// Errors: no_entry (no cluster there), foreign, corrupt, unavailable.
Result<ClusterRecord> read_cluster(ClusterStore& store);

// [S4] [S5] Who holds the group that `first` leads: itself, then of the others those that a hash of
// group and node puts first (rendezvous), other zones than its own before. At most `size`.
std::vector<NodeId> choose_members(NodeId first, const std::vector<MemberRecord>& members,
                                   std::uint32_t size);

// [10-names, Init] One transaction with all nodes known. A store that holds the same cluster
// already keeps its groups; members get their new addresses. Errors: foreign (another cluster's
// store).
Outcome init_cluster(ClusterStore& store, const ClusterRecord& cluster,
                     const std::vector<MemberRecord>& members);

// One life of a node in the cluster.
struct Joined {
  std::unique_ptr<ClusterStore::Session> session;
  Incarnation incarnation;
  GroupRecord group;  // the own one, this life its primary, epoch + 1 [P6]
};
// [S1] [S3] Begins a session and takes over the own group. Errors: no_entry (not a member:
// initialise the cluster first), busy (another daemon is this node), foreign (another cluster's
// store), unavailable.
Result<Joined> join(ClusterStore& store, const std::string& cluster_id, NodeId node);

// [P6] [S3] `self` in this life becomes the primary of `group` in the next epoch: one transaction,
// guarded by the record's revision and by the own session. Errors: no_entry, invalid (no member),
// gone (another life has taken this one's place), busy, unavailable.
Result<GroupRecord> take_over(ClusterStore& store, GroupId group, NodeId self,
                              Incarnation incarnation);

// All that a node must know of the others, as of one revision.
struct ClusterView {
  StoreRev rev = 0;
  std::map<NodeId, MemberRecord> members;
  std::map<NodeId, NodeRecord> nodes;
  std::map<GroupId, GroupRecord> groups;
  bool operator==(const ClusterView&) const = default;
};
// Errors: corrupt, unavailable.
Result<ClusterView> read_view(ClusterStore& store);

// What a watch's batch (not a reset) makes of a view; events that the view already has are nothing.
// Errors: corrupt, with everything else applied and the old record kept.
Outcome fold(ClusterView& view, const StoreBatch& batch);

// The view now, inside the call, and after each change of the store: on the engine's thread, so
// that it posts to the loop. Keep the result as long as it is wanted; the store outlives it.
Result<std::unique_ptr<ClusterStore::Watch>> watch_view(
    ClusterStore& store, std::function<void(const ClusterView&)> on_view);

}  // namespace dspm::names
