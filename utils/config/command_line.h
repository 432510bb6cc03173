// What the project's programs do with their words.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

namespace dspm {

inline constexpr int kWrongWords = 2;  // exit code

// Of an option whose empty value would mean something else, or nothing.
inline std::string not_empty(const std::string& value) {
  return value.empty() ? "must not be empty" : "";
}

// One line that names the word that is wrong. CLI11 misses what is required before it says which
// word it took for none.
inline std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  if (const auto strangers = app.remaining(true); !strangers.empty())
    return "unknown argument '" + strangers.front() + "'";
  std::string text = error.what();
  const std::string option = text.substr(0, text.find(": "));
  if (error.get_exit_code() == int(CLI::ExitCodes::ArgumentMismatch)) {
    const bool missing = text.ends_with("missing");
    text = option + (missing ? " needs a value" : " is given more than once");
  }
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return text;
}

// The exit code where the program has no more to do: help was asked for and is given, or the words
// are wrong and standard error says how.
inline std::optional<int> parse_words(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::string command = app.get_name();
    for (const CLI::App* at = &app; !at->get_subcommands().empty(); command += " " + at->get_name())
      at = at->get_subcommands().front();
    std::fprintf(stderr, "%s: %s; see: %s --help\n", app.get_name().c_str(),
                 explain(app, error).c_str(), command.c_str());
    return kWrongWords;
  }
  return std::nullopt;
}

}  // namespace dspm
