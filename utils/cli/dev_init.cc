#include "utils/cli/dev_init.h"

#include <algorithm>
#include <vector>

#include "commit/pool_file.h"
#include "namespace/cluster/membership.h"
#include "namespace/cluster/sqlite_cluster_store.h"
#include "utils/config/config.h"

namespace dspm::cli {

Outcome init_store(const DevCluster& cluster, std::optional<unsigned> replicas) {
  names::ClusterRecord record;
  record.replicas = std::min(replicas.value_or(kDefaultReplicas), unsigned(cluster.nodes.size()));
  std::vector<names::MemberRecord> members;
  for (const DevNode& node : cluster.nodes) {
    const auto config = load_config(node.config);
    if (!config) return config.error();
    record.id = config->cluster;
    names::MemberRecord member;
    member.node = config->node;
    const auto pool = commit::superblock_at(config->pool);
    if (!pool) return pool.error();
    member.pool = commit::to_string(commit::PoolId(pool->pool));
    member.host = config->listen_host;
    member.port = config->listen_port;
    members.push_back(std::move(member));
  }
  auto store = names::open_sqlite_cluster_store(cluster.store());
  if (!store) return store.error();
  if (const auto known = names::read_cluster(**store);
      known && replicas && known->replicas != record.replicas) {
    return Error{Status::invalid, cluster.dir + " keeps each object on " +
                                      std::to_string(known->replicas) +
                                      " nodes; leave --replicas out, or name another --dir"};
  } else if (known) {
    record.replicas = known->replicas;
  }
  return names::init_cluster(**store, record, members);
}

}  // namespace dspm::cli
