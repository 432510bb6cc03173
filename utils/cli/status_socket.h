// How `dspm` asks a running daemon: one connection of its status socket (AF_UNIX, stream), one line
// of request, one JSON document back, then the daemon closes. Requests are
//   status        what the node is and counts
//   object INO    what the node knows of one object; {"error": "…"} where it knows nothing
// A document with "error" is a refusal. A line is at most 64 bytes, an answer at most 4 MiB.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "utils/base/result.h"

namespace dspm::cli {

// Answers within `limit` or not at all: a stopped daemon's socket still accepts.
// Errors: no_entry (no socket there), unavailable (nobody listens), timed_out, io_error, corrupt
// (no JSON), invalid (the daemon refuses; `what` is its word).
Result<nlohmann::json> ask_daemon(const std::string& socket, const std::string& request,
                                  std::chrono::milliseconds limit);

}  // namespace dspm::cli
