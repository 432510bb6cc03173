// A node's start in two steps, so that several start side by side.
#pragma once

#include <sys/types.h>

#include "utils/cli/dev_cluster.h"

namespace dspm::cli {

struct Starting {
  DevNode node;
  pid_t pid = 0;
  bool spawned = false;       // by us; false: it ran already
  std::uint64_t log_end = 0;  // size of the log before
  Deadline deadline;
};

// Starts the daemon where none runs, a dead mount cleared away first; continues a stopped one.
Result<Starting> begin_start(const DevNode& node);
// Waits until its mount answers. Where that fails, what begin_start spawned is ended, and the error
// has the end of the log.
Outcome finish_start(const Starting& starting);

}  // namespace dspm::cli
