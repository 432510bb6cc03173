// Mounts of this machine, without touching any of them where that could hang.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "utils/base/result.h"
#include "utils/cli/probe.h"

namespace dspm::cli {

struct Mount {
  std::string point;   // absolute
  std::string source;  // what df shows first
  std::string type;    // "fuse.dspm", "ext4", …
  unsigned minor = 0;  // of the device number: for FUSE the id of its connection
  bool fuse() const { return type == "fuse" || type.starts_with("fuse."); }
};

// All of /proc/self/mountinfo, in its order: where two are at one point, the later covers.
std::vector<Mount> all_mounts();
// What covers exactly `point`.
std::optional<Mount> mount_at(const std::string& point);

// How long each step of an unmount may take.
inline constexpr std::chrono::seconds kUnmountLimit{10};

// Starts to take away what is mounted at `point`, as a program that finds it in use would see it.
Probe begin_unmount(const std::string& point);
// Ends it: waits for `begun`; where that hangs, aborts the connection; where the mount is in use,
// detaches it. Afterwards nothing is mounted at `point`. Errors: io_error.
Outcome finish_unmount(const std::string& point, Probe begun);
// Ends a FUSE connection: whoever waits for its daemon gets an error, also the daemon's own
// threads inside a notify. Does nothing for other mounts.
void abort_connection(const Mount& mount);

}  // namespace dspm::cli
