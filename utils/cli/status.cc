// dspm status: what the daemons say of themselves.
#include <cstdio>

#include "utils/cli/commands.h"
#include "utils/cli/dev_cluster.h"
#include "utils/cli/status_socket.h"
#include "utils/config/command_line.h"

namespace dspm::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::chrono::milliseconds kAnswer{2000};

struct Options {
  std::string dir = kDefaultDir;
  std::string socket;
  bool json = false;
};

Outcome one_daemon(const Options& options) {
  const auto answer = ask_daemon(options.socket, "status", kAnswer);
  if (!answer) return answer.error();
  print_answer(*answer, options.json);
  return Done{};
}

// All nodes of a development cluster; one that does not answer says so in "error".
Outcome all_daemons(const Options& options) {
  const auto cluster = open_cluster(options.dir);
  if (!cluster) return cluster.error();
  const auto reports = observe(cluster->nodes);
  Json all = to_json(reports);
  for (std::size_t i = 0; i < reports.size(); ++i) {
    Json& node = all["nodes"][i];
    if (reports[i].state == NodeState::down) continue;
    const auto answer = ask_daemon(reports[i].node.socket, "status", kAnswer);
    if (answer)
      node["status"] = *answer;
    else
      node["error"] = answer.error().what;
  }
  if (options.json) {
    std::printf("%s\n", all.dump().c_str());
    return Done{};
  }
  for (const Json& node : all["nodes"]) {
    std::printf("node %u: %s, %s\n", node["node"].get<unsigned>(),
                node["state"].get<std::string>().c_str(), node["mount"].get<std::string>().c_str());
    if (node.contains("status")) print_flat(node["status"], "  ");
    if (node.contains("error"))
      std::printf("  error %s\n", node["error"].get<std::string>().c_str());
  }
  return Done{};
}

}  // namespace

void print_answer(const Json& answer, bool json) {
  if (json)
    std::printf("%s\n", answer.dump().c_str());
  else
    print_flat(answer, "");
}

void print_flat(const Json& value, const std::string& indent, const std::string& prefix) {
  if (value.is_object() || value.is_array()) {
    std::size_t index = 0;
    for (const auto& item : value.items()) {
      const std::string key = value.is_array() ? std::to_string(index++) : item.key();
      print_flat(item.value(), indent, prefix.empty() ? key : prefix + "." + key);
    }
    return;
  }
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  std::printf("%s%s %s\n", indent.c_str(), prefix.c_str(), text.c_str());
}

void add_status(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("status", "What the daemons say of themselves");
  auto* dir = command->add_option("--dir", options->dir, "Development cluster")
                  ->capture_default_str()
                  ->check(not_empty);
  command->add_option("--socket", options->socket, "Status socket of one daemon")
      ->excludes(dir)
      ->check(not_empty);
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &chosen] {
    chosen = [options] {
      return options->socket.empty() ? all_daemons(*options) : one_daemon(*options);
    };
  });
}

}  // namespace dspm::cli
