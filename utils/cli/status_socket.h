// How `dspm` asks a running daemon: it connects to the status socket (AF_UNIX, stream), writes one
// line and reads one line of JSON. What can be asked: fs/status.h. {"error": "…"} is a refusal.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "utils/base/result.h"

namespace dspm::cli {

// Answers within `limit` or not at all: a stopped daemon's socket still accepts.
// Errors: no_entry (no socket there), unavailable (nobody listens), timed_out, io_error, corrupt
// (no JSON), invalid (the daemon refuses; `what` is its word).
Result<nlohmann::ordered_json> ask_daemon(const std::string& socket, const std::string& request,
                                          std::chrono::milliseconds limit);

}  // namespace dspm::cli
