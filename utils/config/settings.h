// The part of TOML that a configuration of flat tables needs, read without trusting a byte:
// comments, [table], and key = value, where a value is a "basic" or 'literal' text of one line or a
// decimal integer. Own code because toml11 3.7.1 reads outside of its input on some malformed ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "utils/base/result.h"

namespace dspm {

struct Setting {
  std::string table, key;  // table: empty above the first [table]
  // What else TOML knows (floats, dates, lists, …) is `other`: not understood, only shown.
  enum class Kind : unsigned char { number, text, other } kind = Kind::other;
  std::int64_t number = 0;
  std::string text;
  std::string written;   // as it stands in the file
  std::size_t line = 0;  // from 1
};
struct Settings {
  struct Table {
    std::string name;
    std::size_t line = 0;
  };
  std::vector<Table> tables;      // each once
  std::vector<Setting> settings;  // each key of a table once
  const Setting* find(std::string_view table, std::string_view key) const;
};

// Errors: invalid, as config_error().
Result<Settings> parse_settings(std::string_view text, const std::string& file);

// One line, whatever the file holds: "file:line: what"; line 0: of no line.
Error config_error(const std::string& file, std::size_t line, std::string what);
// `written` for such a line: in quotes, and not longer than a line can bear.
std::string shown(std::string_view written);

}  // namespace dspm
