#include "utils/config/settings.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace dspm {
namespace {

bool blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

bool bare(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  });
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += char(code);
    return;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr unsigned char kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += char(kLead[more] | code >> 6 * more);
  for (int i = more - 1; i >= 0; --i) out += char(0x80 | (code >> 6 * i & 0x3F));
}

// \uXXXX or \UXXXXXXXX, of which `digits` come next in `rest`.
bool take_code(std::string_view& rest, std::size_t digits, std::string& out) {
  if (rest.size() < digits) return false;
  std::uint32_t code = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + digits, code, 16);
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (error != std::errc{} || end != rest.data() + digits || code > 0x10FFFF || surrogate)
    return false;
  rest.remove_prefix(digits);
  append_utf8(out, code);
  return true;
}

bool take_escape(std::string_view& rest, std::string& out) {
  if (rest.empty()) return false;
  const char c = rest.front();
  rest.remove_prefix(1);
  if (c == 'u' || c == 'U') return take_code(rest, c == 'u' ? 4 : 8, out);
  constexpr std::string_view kEscapes = "btnfr\"\\", kMeanings = "\b\t\n\f\r\"\\";
  const std::size_t at = kEscapes.find(c);
  if (at == std::string_view::npos) return false;
  out += kMeanings[at];
  return true;
}

// One line, cut into what it says; the first thing that is wrong ends it.
class Line {
 public:
  Line(std::string_view line, const std::string& file, std::size_t number)
      : rest_(trimmed(line)), file_(file), number_(number) {}

  bool nothing() const { return rest_.empty() || rest_.front() == '#'; }
  bool header() const { return rest_.front() == '['; }

  Result<std::string> table() {
    const std::size_t close = rest_.find(']');
    if (close == std::string_view::npos) return wrong(shown(rest_) + " lacks its ]");
    const std::string_view name = trimmed(rest_.substr(1, close - 1));
    if (!bare(name)) return wrong(shown(rest_) + " is no [table]: " + kBare);
    rest_ = trimmed(rest_.substr(close + 1));
    if (!nothing()) return wrong("unexpected " + shown(rest_) + " after a [table]");
    return std::string(name);
  }

  Result<Setting> setting() {
    const std::size_t equals = rest_.find('=');
    if (equals == std::string_view::npos)
      return wrong(shown(rest_) + " is neither [table] nor key = value");
    Setting setting;
    setting.line = number_;
    const std::string_view key = trimmed(rest_.substr(0, equals));
    if (!bare(key)) return wrong(shown(key) + " is no key: " + kBare);
    setting.key = key;
    rest_ = trimmed(rest_.substr(equals + 1));
    if (nothing()) return wrong("'" + setting.key + "' has no value; write one after the =");
    if (rest_.front() == '"' || rest_.front() == '\'') {
      const std::string_view from = rest_;
      if (const char* fault = take_text(setting.text)) return wrong(fault + (": " + shown(from)));
      setting.kind = Setting::Kind::text;
      setting.written = from.substr(0, from.size() - rest_.size());
      rest_ = trimmed(rest_);
      if (!nothing()) return wrong("unexpected " + shown(rest_) + " after a text");
      return setting;
    }
    setting.written = trimmed(rest_.substr(0, rest_.find('#')));
    if (take_number(setting.written, setting.number)) setting.kind = Setting::Kind::number;
    return setting;
  }

 private:
  static constexpr const char* kBare = "letters, digits, - and _ make a name";

  Error wrong(std::string what) const { return config_error(file_, number_, std::move(what)); }

  // What is wrong with it; null = nothing.
  const char* take_text(std::string& out) {
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == quote) return nullptr;
      if (c != '\\' || quote == '\'') {
        out += c;
      } else if (!take_escape(rest_, out)) {
        return "no escape of TOML's; write \\\\ for a \\, or put the text in ' '";
      }
    }
    return "a text without its closing quote";
  }
  static bool take_number(std::string_view s, std::int64_t& out) {
    if (s.starts_with('+')) s.remove_prefix(1);
    const std::string_view digits = s.substr(s.starts_with('-') ? 1 : 0);
    if (digits.empty() || digits.front() == '-' || (digits.size() > 1 && digits.front() == '0'))
      return false;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
    return error == std::errc{} && end == s.data() + s.size();
  }

  std::string_view rest_;
  const std::string& file_;
  std::size_t number_;
};

bool control(unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7F; }

// The next line of `text`, without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

const Setting* Settings::find(std::string_view table, std::string_view key) const {
  const auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting& s) {
    return s.table == table && s.key == key;
  });
  return found == settings.end() ? nullptr : &*found;
}

Result<Settings> parse_settings(std::string_view text, const std::string& file) {
  Settings all;
  std::string table;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view whole = take_line(text);
    if (std::any_of(whole.begin(), whole.end(), control))
      return config_error(file, number, "holds what is no text; is it the right file?");
    Line line(whole, file, number);
    if (line.nothing()) continue;
    if (line.header()) {
      Result<std::string> name = line.table();
      if (!name) return name.error();
      table = *name;
      const auto twice = std::find_if(all.tables.begin(), all.tables.end(),
                                      [&](const auto& t) { return t.name == table; });
      if (twice != all.tables.end())
        return config_error(file, number,
                            "[" + table + "] is there twice, first in line " +
                                std::to_string(twice->line) + "; join the two");
      all.tables.push_back({table, number});
      continue;
    }
    Result<Setting> setting = line.setting();
    if (!setting) return setting.error();
    setting->table = table;
    if (const Setting* first = all.find(table, setting->key))
      return config_error(file, number,
                          "'" + setting->key + "' is there twice, first in line " +
                              std::to_string(first->line) + "; remove one");
    all.settings.push_back(*std::move(setting));
  }
  return all;
}

Error config_error(const std::string& file, std::size_t line, std::string what) {
  std::replace_if(
      what.begin(), what.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, '?');
  const std::string where = line != 0 ? file + ":" + std::to_string(line) : file;
  return {Status::invalid, where + ": " + what};
}

std::string shown(std::string_view written) {
  constexpr std::size_t kMost = 60;
  std::string out(written.substr(0, kMost));
  if (written.size() > kMost) out += "…";
  return "'" + out + "'";
}

}  // namespace dspm
