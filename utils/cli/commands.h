// The subcommands of `dspm`, one file each. Parsing only chooses what is to be done; main() does
// it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>

#include "utils/base/result.h"

namespace dspm::cli {

using Action = std::function<Outcome()>;

void add_status(CLI::App& app, Action& chosen);
void add_object(CLI::App& app, Action& chosen);
void add_dev(CLI::App& app, Action& chosen);
void add_pool(CLI::App& app, Action& chosen);

inline const char* const kDefaultDir = "./dspm-dev";

// One line of JSON, or print_flat().
void print_answer(const nlohmann::ordered_json& answer, bool json);
// "key value" lines, nested keys joined by dots.
void print_flat(const nlohmann::ordered_json& value, const std::string& indent,
                const std::string& prefix = {});

}  // namespace dspm::cli
