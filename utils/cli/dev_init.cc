#include "utils/cli/dev_init.h"

namespace dspm::cli {

// To come with namespace/cluster: the daemons find an empty store until then.
Outcome init_store(const DevCluster&) { return Done{}; }

}  // namespace dspm::cli
