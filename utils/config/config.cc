#include "utils/config/config.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "utils/config/settings.h"

namespace dspm {
namespace {

constexpr std::size_t kMaxClusterId = 64;  // what a hello carries
constexpr std::size_t kMaxHost = 253;      // longest name of DNS
// Far more than all keys need.
constexpr std::size_t kMaxFile = std::size_t{16} << 10;

bool printable(const std::string& s) {
  return std::all_of(s.begin(), s.end(), [](unsigned char c) { return c > ' ' && c < 0x7F; });
}

// Each take_…: whether `value` was fit for its key, and if so its effect.
bool take_number(const Setting& value, std::int64_t low, std::int64_t high, std::int64_t& out) {
  if (value.kind != Setting::Kind::number) return false;
  out = value.number;
  return out >= low && out <= high;
}

bool take_text(const Setting& value, std::size_t longest, std::string& out) {
  if (value.kind != Setting::Kind::text) return false;
  out = value.text;
  return !out.empty() && out.size() <= longest && out.find('\0') == std::string::npos;
}

bool take_path(const Setting& value, std::size_t longest, std::string& out) {
  return take_text(value, longest, out) && out.front() == '/';
}

template <class Out>
bool take_into(const Setting& value, std::int64_t low, std::int64_t high, Out& out) {
  std::int64_t number = 0;
  if (!take_number(value, low, high, number)) return false;
  out = Out(number);
  return true;
}

struct Key {
  const char* table;
  const char* name;
  bool required;
  const char* expects;  // completes "must be …"
  bool (*take)(Config&, const Setting&);
};

constexpr std::size_t kMaxPath = PATH_MAX - 1;
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
static_assert(kMaxSocketPath == 107);

// Every key there is; at most 25 in all.
constexpr std::array kKeys{
    Key{"cluster", "id", true, "a text of 1 to 64 printable characters without blanks",
        [](Config& c, const Setting& v) {
          return take_text(v, kMaxClusterId, c.cluster) && printable(c.cluster);
        }},
    Key{"node", "id", true, "a number from 1 to 65535",
        [](Config& c, const Setting& v) { return take_into(v, 1, 65535, c.node); }},
    Key{"node", "mount", true, "the absolute path of an existing directory",
        [](Config& c, const Setting& v) { return take_path(v, kMaxPath, c.mount); }},
    Key{"node", "store", true, "the absolute path of a file",
        [](Config& c, const Setting& v) { return take_path(v, kMaxPath, c.store); }},
    Key{"node", "pool", true, "the absolute path of a pool made by dspm pool create",
        [](Config& c, const Setting& v) { return take_path(v, kMaxPath, c.pool); }},
    Key{"node", "log", false, "the absolute path of a file",
        [](Config& c, const Setting& v) { return take_path(v, kMaxPath, c.log); }},
    Key{"node", "status_socket", true, "an absolute path of at most 107 bytes",
        [](Config& c, const Setting& v) { return take_path(v, kMaxSocketPath, c.status_socket); }},
    Key{"net", "listen_host", true, "an address or name of this machine",
        [](Config& c, const Setting& v) {
          return take_text(v, kMaxHost, c.listen_host) && printable(c.listen_host);
        }},
    Key{"net", "listen_port", true, "a number from 1 to 65535",
        [](Config& c, const Setting& v) { return take_into(v, 1, 65535, c.listen_port); }},
    Key{"net", "spin_us", false, "a number from 0 (never poll) to 1000000",
        [](Config& c, const Setting& v) { return take_into(v, 0, 1'000'000, c.spin_us); }},
    Key{"fs", "read_ahead_kb", false, "a number from 0 (none) to 1048576",
        [](Config& c, const Setting& v) { return take_into(v, 0, 1'048'576, c.read_ahead_kb); }},
};
static_assert(kKeys.size() <= 25);

std::string label(const std::string& table, const std::string& key) {
  return "[" + table + "] " + key;
}

std::string names_of(const std::string& table) {
  std::string names;
  for (const Key& key : kKeys)
    if (table == key.table) names += (names.empty() ? "" : ", ") + std::string(key.name);
  return names;
}

std::string tables() {
  std::string names;
  for (const Key& key : kKeys) {
    const std::string name = "[" + std::string(key.table) + "]";
    if (names.find(name) == std::string::npos) names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

bool known(const std::string& table, const std::string& name) {
  return std::any_of(kKeys.begin(), kKeys.end(),
                     [&](const Key& key) { return table == key.table && name == key.name; });
}

// The first thing that no key of the table stands for.
std::optional<Error> unknown_in(const Settings& all, const std::string& file) {
  for (const Settings::Table& table : all.tables)
    if (names_of(table.name).empty())
      return config_error(file, table.line,
                          "unknown table [" + table.name + "]; remove it, or put its keys below " +
                              "one of " + tables());
  for (const Setting& setting : all.settings) {
    if (known(setting.table, setting.key)) continue;
    if (!setting.table.empty())
      return config_error(file, setting.line,
                          "unknown key " + label(setting.table, setting.key) +
                              "; remove it, or use one of " + names_of(setting.table));
    return config_error(
        file, setting.line,
        "key '" + setting.key + "' is in no table; put it below one of " + tables());
  }
  return {};
}

std::optional<Error> take(const Settings& all, const std::string& file, const Key& key,
                          Config& config) {
  const Setting* value = all.find(key.table, key.name);
  const std::string name = label(key.table, key.name);
  if (value == nullptr) {
    if (!key.required) return {};
    return config_error(file, 0, name + " is missing; set it to " + key.expects);
  }
  if (key.take(config, *value)) return {};
  return config_error(file, value->line,
                      name + " must be " + key.expects + ", not " + shown(value->written));
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const unsigned char c : text) {
    if (c < ' ' || c == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", c);
      out += escape;
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += char(c);
  }
  return out + "\"";
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& name) {
  if (text.size() > kMaxFile)
    return config_error(name, 0, "larger than 16 KiB; is it the right file?");
  if (text.empty()) return config_error(name, 0, "empty; it needs " + tables());
  Result<Settings> all = parse_settings(text, name);
  if (!all) return all.error();
  if (auto error = unknown_in(*all, name)) return *std::move(error);
  Config config;
  for (const Key& key : kKeys)
    if (auto error = take(*all, name, key, config)) return *std::move(error);
  return config;
}

Result<Config> load_config(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(kMaxFile + 1, '\0');
  if (in) in.read(text.data(), std::streamsize(text.size()));
  if (!in.is_open() || in.bad()) {
    const int error = errno;
    const Status status = error == ENOENT                     ? Status::no_entry
                          : error == EACCES || error == EPERM ? Status::denied
                                                              : Status::io_error;
    return Error{status, path + ": cannot read the configuration: " + std::strerror(error) +
                             "; name a readable file with --config"};
  }
  text.resize(std::size_t(in.gcount()));
  return parse_config(text, path);
}

std::string to_toml(const Config& config) {
  std::ostringstream out;
  out << "[cluster]\nid = " << quoted(config.cluster) << "\n\n[node]\nid = " << config.node
      << "\nmount = " << quoted(config.mount) << "\nstore = " << quoted(config.store)
      << "\npool = " << quoted(config.pool);
  if (!config.log.empty()) out << "\nlog = " << quoted(config.log);
  out << "\nstatus_socket = " << quoted(config.status_socket)
      << "\n\n[net]\nlisten_host = " << quoted(config.listen_host)
      << "\nlisten_port = " << config.listen_port << "\nspin_us = " << config.spin_us << "\n";
  out << "\n[fs]\nread_ahead_kb = " << config.read_ahead_kb << "\n";
  return out.str();
}

}  // namespace dspm
