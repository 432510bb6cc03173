#include "utils/config/config.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <toml.hpp>

namespace dspm {
namespace {

constexpr std::size_t kMaxClusterId = 64;  // what a hello carries
constexpr std::size_t kMaxHost = 253;      // longest name of DNS
// Far more than all keys need; also bounds how deep the parser recurses.
constexpr std::size_t kMaxFile = std::size_t{16} << 10;

bool printable(const std::string& s) {
  return std::all_of(s.begin(), s.end(), [](unsigned char c) { return c > ' ' && c < 0x7F; });
}

// Each take_…: whether `value` was fit for its key, and if so its effect.
bool take_number(const toml::value& value, std::int64_t low, std::int64_t high, std::int64_t& out) {
  if (!value.is_integer()) return false;
  out = value.as_integer();
  return out >= low && out <= high;
}

bool take_text(const toml::value& value, std::size_t longest, std::string& out) {
  if (!value.is_string()) return false;
  out = value.as_string().str;
  return !out.empty() && out.size() <= longest && out.find('\0') == std::string::npos;
}

bool take_path(const toml::value& value, std::size_t longest, std::string& out) {
  return take_text(value, longest, out) && out.front() == '/';
}

template <class Out>
bool take_into(const toml::value& value, std::int64_t low, std::int64_t high, Out& out) {
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
  bool (*take)(Config&, const toml::value&);
};

constexpr std::size_t kMaxPath = PATH_MAX - 1;
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
static_assert(kMaxSocketPath == 107);

// Every key there is; at most 25 in all.
constexpr std::array kKeys{
    Key{"cluster", "id", true, "a text of 1 to 64 printable characters without blanks",
        [](Config& c, const toml::value& v) {
          return take_text(v, kMaxClusterId, c.cluster) && printable(c.cluster);
        }},
    Key{"node", "id", true, "a number from 1 to 65535",
        [](Config& c, const toml::value& v) { return take_into(v, 1, 65535, c.node); }},
    Key{"node", "mount", true, "the absolute path of an existing directory",
        [](Config& c, const toml::value& v) { return take_path(v, kMaxPath, c.mount); }},
    Key{"node", "store", true, "the absolute path of a file",
        [](Config& c, const toml::value& v) { return take_path(v, kMaxPath, c.store); }},
    Key{"node", "log", false, "the absolute path of a file",
        [](Config& c, const toml::value& v) { return take_path(v, kMaxPath, c.log); }},
    Key{"node", "status_socket", true, "an absolute path of at most 107 bytes",
        [](Config& c, const toml::value& v) {
          return take_path(v, kMaxSocketPath, c.status_socket);
        }},
    Key{"net", "listen_host", true, "an address or name of this machine",
        [](Config& c, const toml::value& v) {
          return take_text(v, kMaxHost, c.listen_host) && printable(c.listen_host);
        }},
    Key{"net", "listen_port", true, "a number from 1 to 65535",
        [](Config& c, const toml::value& v) { return take_into(v, 1, 65535, c.listen_port); }},
    Key{"net", "spin_us", false, "a number from 0 (never poll) to 1000000",
        [](Config& c, const toml::value& v) { return take_into(v, 0, 1'000'000, c.spin_us); }},
    Key{"fs", "read_ahead_kb", false, "a number from 0 (none) to 1048576",
        [](Config& c, const toml::value& v) {
          return take_into(v, 0, 1'048'576, c.read_ahead_kb.emplace());
        }},
};
static_assert(kKeys.size() <= 25);

std::string label(const std::string& table, const std::string& key) {
  return "[" + table + "] " + key;
}

// `what` made fit for one line of a log: what a file contains may be anything.
Error invalid(const std::string& file, std::size_t line, std::string what) {
  std::replace_if(
      what.begin(), what.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, '?');
  const std::string where = line != 0 ? file + ":" + std::to_string(line) : file;
  return {Status::invalid, where + ": " + what};
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

// Nothing in `root` that no key of the table stands for.
std::optional<Error> unknown_in(const toml::table& root, const std::string& file) {
  for (const auto& [table, content] : root) {
    const std::size_t line = content.location().line();
    if (names_of(table).empty())
      return invalid(file, line,
                     "unknown " + std::string(content.is_table() ? "table [" : "key [") + table +
                         "]; remove it, or put its keys below one of " + tables());
    if (!content.is_table())
      return invalid(file, line, "'" + table + "' must be a table: write [" + table + "]");
    for (const auto& [name, value] : content.as_table()) {
      if (!known(table, name))
        return invalid(
            file, value.location().line(),
            "unknown key " + label(table, name) + "; remove it, or use one of " + names_of(table));
    }
  }
  return {};
}

std::optional<Error> take(const toml::table& root, const std::string& file, const Key& key,
                          Config& config) {
  const toml::value* value = nullptr;
  if (const auto table = root.find(key.table); table != root.end()) {
    const auto& keys = table->second.as_table();
    if (const auto found = keys.find(key.name); found != keys.end()) value = &found->second;
  }
  const std::string name = label(key.table, key.name);
  if (value == nullptr) {
    if (!key.required) return {};
    return invalid(file, 0, name + " is missing; set it to " + key.expects);
  }
  if (key.take(config, *value)) return {};
  return invalid(file, value->location().line(), name + " must be " + key.expects);
}

// The parser's message begins "[error] toml::some_function: what is wrong", then come the lines of
// the file.
std::string first_line(const std::string& what) {
  std::string line = what.substr(0, what.find('\n'));
  if (const auto colon = line.find(": "); colon != std::string::npos) line.erase(0, colon + 2);
  return line;
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
  if (text.size() > kMaxFile) return invalid(name, 0, "larger than 16 KiB; is it the right file?");
  if (text.empty()) return invalid(name, 0, "empty; it needs " + tables());
  toml::value parsed;
  try {
    std::istringstream in{std::string(text)};
    parsed = toml::parse(in, name);
  } catch (const toml::exception& e) {
    return invalid(name, e.location().line(), "not TOML: " + first_line(e.what()));
  } catch (const std::exception& e) {
    return invalid(name, 0, "not TOML: " + first_line(e.what()));
  }
  const toml::table& root = parsed.as_table();
  if (auto error = unknown_in(root, name)) return *std::move(error);
  Config config;
  for (const Key& key : kKeys)
    if (auto error = take(root, name, key, config)) return *std::move(error);
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
      << "\nmount = " << quoted(config.mount) << "\nstore = " << quoted(config.store);
  if (!config.log.empty()) out << "\nlog = " << quoted(config.log);
  out << "\nstatus_socket = " << quoted(config.status_socket)
      << "\n\n[net]\nlisten_host = " << quoted(config.listen_host)
      << "\nlisten_port = " << config.listen_port << "\nspin_us = " << config.spin_us << "\n";
  if (config.read_ahead_kb) out << "\n[fs]\nread_ahead_kb = " << *config.read_ahead_kb << "\n";
  return out.str();
}

}  // namespace dspm
