// The store of a development cluster.
#pragma once

#include "utils/cli/dev_cluster.h"

namespace dspm::cli {

// Writes the cluster's first records where there are none: one transaction with all nodes known
// [S1]. A store of another cluster is refused.
Outcome init_store(const DevCluster& cluster, std::optional<unsigned> replicas);

}  // namespace dspm::cli
