#include "utils/cli/dev_init.h"

#include <vector>

#include "namespace/cluster/membership.h"
#include "namespace/cluster/sqlite_cluster_store.h"
#include "utils/config/config.h"

namespace dspm::cli {

Outcome init_store(const DevCluster& cluster) {
  names::ClusterRecord record;
  std::vector<names::MemberRecord> members;
  for (const DevNode& node : cluster.nodes) {
    const auto config = load_config(node.config);
    if (!config) return config.error();
    record.id = config->cluster;
    names::MemberRecord member;
    member.node = config->node;
    member.host = config->listen_host;
    member.port = config->listen_port;
    members.push_back(std::move(member));
  }
  auto store = names::open_sqlite_cluster_store(cluster.store());
  if (!store) return store.error();
  return names::init_cluster(**store, record, members);
}

}  // namespace dspm::cli
