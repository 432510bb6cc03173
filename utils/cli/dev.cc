// dspm dev: an N-node cluster on this machine, for people and tests.
#include <cstdio>

#include "utils/cli/commands.h"
#include "utils/cli/dev_cluster.h"
#include "utils/config/command_line.h"

namespace dspm::cli {
namespace {

struct Options {
  std::string dir = kDefaultDir;
  unsigned nodes = 0, replicas = 0;  // 0 = not given
  std::uint64_t pool_size = 0;       // 0 = not given
  unsigned node = 0;
  bool all = false;
  bool json = false;
};
using OptionsPtr = std::shared_ptr<Options>;

void print_reports(const std::vector<NodeReport>& reports, bool json) {
  if (json) {
    std::printf("%s\n", to_json(reports).dump().c_str());
    return;
  }
  for (const NodeReport& report : reports) {
    const std::string pid = report.pid == 0 ? "-" : std::to_string(report.pid);
    std::printf("node %u  %-8s  pid %-7s  %s\n", report.node.id.value, to_string(report.state),
                pid.c_str(), report.node.mount.c_str());
  }
}

Outcome show(const Options& options) {
  const auto cluster = open_cluster(options.dir);
  if (!cluster) return cluster.error();
  print_reports(observe(cluster->nodes), options.json);
  return Done{};
}

// Does `step`, then shows how the cluster is: to people after up, as JSON where that is asked for.
Outcome then_show(const Options& options, bool always, const Action& step) {
  if (auto outcome = step(); !outcome) return outcome;
  return always || options.json ? show(options) : Outcome(Done{});
}

DevOptions wishes(const Options& options) {
  DevOptions wishes;
  if (options.nodes != 0) wishes.nodes = options.nodes;
  if (options.replicas != 0) wishes.replicas = options.replicas;
  if (options.pool_size != 0) wishes.pool_size = options.pool_size;
  return wishes;
}

Outcome down(const Options& options) {
  const auto cluster = open_cluster(options.dir);
  if (!cluster) return cluster.error();
  return dev_down(*cluster);
}

using NodeStep = Outcome (*)(const DevCluster&, const DevNode&, bool all);

Outcome on_node(const Options& options, NodeStep step) {
  const auto cluster = open_cluster(options.dir);
  if (!cluster) return cluster.error();
  const auto node = find_node(*cluster, NodeId(options.node));
  if (!node) return node.error();
  return step(*cluster, *node, options.all);
}

CLI::App* add_command(CLI::App& dev, const OptionsPtr& options, const char* name,
                      const char* what) {
  auto* command = dev.add_subcommand(name, what);
  command->add_option("--dir", options->dir, "Directory of the cluster")
      ->capture_default_str()
      ->check(not_empty);
  command->add_flag("--json", options->json, "Show the cluster as JSON afterwards");
  return command;
}

void add_node_command(CLI::App& dev, const OptionsPtr& options, Action& chosen, const char* name,
                      const char* what, NodeStep step) {
  auto* command = add_command(dev, options, name, what);
  command->add_option("N", options->node, "Which node: 1, 2, …")
      ->required()
      ->check(CLI::Range(1u, kMostNodes));
  command->add_flag("--all", options->all, "Every process of the node, not only its daemon");
  command->callback([=, &chosen] {
    chosen = [=] { return then_show(*options, false, [&] { return on_node(*options, step); }); };
  });
}

}  // namespace

void add_dev(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  auto* dev = app.add_subcommand("dev", "A cluster on this machine, for development");
  dev->require_subcommand(1);

  auto* up = add_command(*dev, options, "up", "Make it or bring it back; returns when all answer");
  up->add_option("--nodes", options->nodes, "How many nodes (default 3)")
      ->check(CLI::Range(1u, kMostNodes));
  up->add_option("--replicas", options->replicas,
                 "On how many nodes each object is kept (default 3, or the number of nodes)")
      ->check(CLI::Range(1u, kMostNodes));
  up->add_option("--pool-size", options->pool_size, "Of each node's pool (default 1G)")
      ->transform(CLI::AsSizeValue(false));
  up->callback([options, &chosen] {
    chosen = [options] {
      return then_show(*options, true, [&] { return dev_up(options->dir, wishes(*options)); });
    };
  });
  add_command(*dev, options, "down", "Unmount and end all nodes; the directory stays")
      ->callback([options, &chosen] {
        chosen = [options] { return then_show(*options, false, [&] { return down(*options); }); };
      });
  add_command(*dev, options, "status", "Which node serves")->callback([options, &chosen] {
    chosen = [options] { return show(*options); };
  });

  add_node_command(*dev, options, chosen, "kill", "SIGKILL of a node's daemon",
                   [](const DevCluster&, const DevNode& n, bool all) { return dev_kill(n, all); });
  add_node_command(*dev, options, chosen, "stop", "SIGSTOP of a node's daemon",
                   [](const DevCluster&, const DevNode& n, bool all) { return dev_stop(n, all); });
  add_node_command(
      *dev, options, chosen, "cont", "SIGCONT of a node's daemon",
      [](const DevCluster&, const DevNode& n, bool all) { return dev_continue(n, all); });
  add_node_command(*dev, options, chosen, "start", "Bring a node back; returns when it answers",
                   [](const DevCluster& c, const DevNode& n, bool) { return dev_start(c, n); });
}

}  // namespace dspm::cli
