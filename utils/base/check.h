// Internal invariants: on in release builds, print what they saw, end the process.
// Never used on network frames, media, configuration or anything a user typed: those get a Status.
#pragma once

#include <sstream>
#include <string>

namespace dspm {

// Prints file, line, the failed expression and `values` to stderr, then aborts. Any thread.
[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               const std::string& values);

namespace detail {
template <class... Values>
std::string print_values(const Values&... values) {
  std::ostringstream out;
  ((out << ' ' << values), ...);
  return out.str();
}
}  // namespace detail

}  // namespace dspm

// DSPM_CHECK(condition, values...): `values` are streamed into the message.
#define DSPM_CHECK(condition, ...)                                     \
  do {                                                                 \
    if (!(condition)) [[unlikely]]                                     \
      ::dspm::check_failed(__FILE__, __LINE__, #condition,             \
                           ::dspm::detail::print_values(__VA_ARGS__)); \
  } while (false)
