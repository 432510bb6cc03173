// One daemon from its configuration to its end: the parts, built in the order in which each can
// fail with a sentence of its own, and the doors between them.
#pragma once

#include <memory>

#include "utils/base/result.h"
#include "utils/config/config.h"

namespace dspm::fs {

class Daemon {
 public:
  explicit Daemon(Config config);
  // Unmounts lazily if it still has to.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Joins the cluster, mounts, listens. Errors: one clear sentence; nothing is left mounted.
  // Blocks until the store has answered, 30 s at most. Once.
  Outcome start();
  // Serves until SIGTERM, SIGINT, or until somebody unmounts; then leaves the cluster. After a
  // start() that went well.
  void run();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dspm::fs
