// What one daemon is told at its start: `dspmd --config dspmd.toml`. All keys, their defaults and
// their bounds are in the table of config.cc; whatever is not there is refused by name.
//
//   [cluster]
//   id = "5f2c…"                    # the same on all nodes; 1 to 64 printable characters
//   [node]
//   id = 1                          # 1 to 65535, unlike all others' of the cluster
//   mount = "/mnt/dspm"             # an existing directory
//   store = "/var/lib/dspm/store.db"  # SQLite file shared by the daemons of this machine
//   pool = "/var/lib/dspm/pool"     # its persistent memory, made by dspm pool create
//   log = "/var/log/dspm.log"       # optional; default: standard error
//   status_socket = "/run/dspm/status.sock"
//   [net]
//   listen_host = "127.0.0.1"       # address that the others reach this node by
//   listen_port = 7001
//   spin_us = 50          # optional; µs that the loop polls for an owed answer; 0 = never
//   [fs]
//   read_ahead_kb = 256   # optional; KiB that a first load or a sequential read asks for at once
//
// The other nodes are not listed: they are found in the store's member records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "utils/base/ids.h"
#include "utils/base/result.h"

namespace dspm {

// A configuration that has passed every check below. Paths are absolute.
struct Config {
  std::string cluster;
  NodeId node;
  std::string mount;
  std::string store;
  std::string pool;
  std::string log;  // empty: standard error
  std::string status_socket;
  std::string listen_host;
  std::uint16_t listen_port = 0;  // never 0 once loaded
  std::uint32_t spin_us = 50;
  // [2-kernel rule 9] Twice the kernel's own. Measured on loopback from 128 to 1024: a sequential
  // read 450 to 530 MB/s, a first store to a random page 0.25 to 0.41 ms; and what is read unasked
  // must be dropped when somebody else commits.
  std::uint32_t read_ahead_kb = 256;

  bool operator==(const Config&) const = default;
};

// `text` as the content of a file called `name` (only for messages).
// Errors: invalid; `what` is one line that names the file, the key and what to do about it.
Result<Config> parse_config(std::string_view text, const std::string& name);

// Errors: as parse_config; no_entry, denied, io_error when the file cannot be read.
Result<Config> load_config(const std::string& path);

// A file that load_config reads back as `config`.
std::string to_toml(const Config& config);

}  // namespace dspm
