// Processes of the nodes of a development cluster. A process is only taken for a node's daemon, and
// only signalled, while its command line says so: a pid file may be older than its number's owner.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "utils/base/result.h"
#include "utils/cli/probe.h"

namespace dspm::cli {

struct DevNode;

enum class ProcessState { gone, running, stopped };
// Zombies are gone unless a thread of theirs still lives.
ProcessState process_state(pid_t pid);
// Its main thread has ended, others have not yet: one may sit in the kernel until somebody aborts
// the connection of its mount.
bool dying(pid_t pid);

// The live daemon of `node`; 0 = none.
pid_t daemon_of(const DevNode& node);
// `pid` and everything else of its session: all processes of a node.
std::vector<pid_t> session_of(pid_t pid);

// Starts `program --config <node's>` in a session of its own, output appended to the node's log,
// and writes the pid file. Errors: io_error.
Result<pid_t> spawn_daemon(const std::string& program, const DevNode& node);

// Whether `pid` came into `state` before `deadline`. Reaps it where it is our child.
bool await_state(pid_t pid, ProcessState state, Deadline deadline);

// The daemon beside this program. Errors: no_entry.
Result<std::string> daemon_program();

}  // namespace dspm::cli
