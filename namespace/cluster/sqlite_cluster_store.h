// First engine of the cluster store: tables in one SQLite file, shared by the daemons of one
// machine. A thread of its own looks for other processes' changes every 25 ms and calls the
// watches.
#pragma once

#include <memory>
#include <string>

#include "namespace/cluster/cluster_store.h"

namespace dspm::names {

// Creates the file where it is missing. Errors: io_error, with the file's name and what to do.
Result<std::unique_ptr<ClusterStore>> open_sqlite_cluster_store(const std::string& file);

}  // namespace dspm::names
