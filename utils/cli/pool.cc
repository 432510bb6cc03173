// dspm pool: make a node's pool, say what one is, look whether it is sound.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "utils/cli/commands.h"
#include "utils/cli/pool_view.h"

namespace dspm::cli {
namespace {

using Json = nlohmann::ordered_json;
using commit::format::Superblock;

struct CreateOptions {
  std::string path, cluster, kind = "auto";
  std::uint64_t size = 0;
  unsigned node = 0;
  bool json = false;
};
struct LookOptions {
  std::vector<std::string> paths;
  bool json = false;
};

Json to_json(const std::string& path, const Superblock& superblock) {
  return {{"path", path},
          {"pool", to_string(commit::PoolId(superblock.pool))},
          {"cluster", commit::cluster_of(superblock)},
          {"node", superblock.node},
          {"format", superblock.version},
          {"frames", superblock.frames},
          {"log_bytes", superblock.ring}};
}

Outcome create(const CreateOptions& options) {
  std::optional<PmemKind> kind;
  if (options.kind == "file") kind = PmemKind::file;
  if (options.kind == "memory") kind = PmemKind::byte_addressable;
  const commit::PoolIdentity identity{options.cluster, NodeId(options.node),
                                      commit::random_pool_id()};
  if (auto made = commit::make_pool(options.path, options.size, identity, kind); !made) return made;
  const auto superblock = commit::superblock_at(options.path);
  if (!superblock) return superblock.error();
  print_answer(to_json(options.path, *superblock), options.json);
  return Done{};
}

Outcome info(const LookOptions& options) {
  const auto superblock = commit::superblock_at(options.paths.front());
  if (!superblock) return superblock.error();
  print_answer(to_json(options.paths.front(), *superblock), options.json);
  return Done{};
}

// A bar on a terminal; on anything else nothing.
class Bar {
 public:
  Bar(std::string what, std::uint64_t total)
      : what_(std::move(what)), total_(total), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~Bar() {
    if (shown_ && percent_ >= 0) std::fprintf(stderr, "\r\033[K");
  }
  void add(std::uint64_t bytes) {
    done_ += bytes;
    const int percent = int(std::min<std::uint64_t>(100, done_ * 100 / total_));
    if (!shown_ || percent == percent_) return;
    percent_ = percent;
    std::fprintf(stderr, "\r%s %3d%% [%-50s]", what_.c_str(), percent,
                 std::string(std::size_t(percent) / 2, '#').c_str());
  }

 private:
  const std::string what_;
  const std::uint64_t total_;
  const bool shown_;
  std::uint64_t done_ = 0;
  int percent_ = -1;
};

Json to_json(const ViewedPool& pool) {
  Json out = to_json(pool.path, pool.superblock);
  const commit::RecoveryReport& report = pool.opened.report;
  out["frames_used"] = report.frames;
  out["log_bytes_used"] = report.log_bytes;
  out["torn_tail"] = report.torn_tail;
  out["units_torn"] = report.units_torn;
  out["units_unverified"] = report.units_unverified;
  out["groups"] = Json::array();
  for (const commit::RecoveredGroup& group : pool.opened.groups) {
    const Lsn last = group.records.empty() ? group.applied : group.records.back()->lsn;
    const auto text = [](Lsn lsn) {
      return std::to_string(lsn.epoch().value) + "." + std::to_string(lsn.sequence());
    };
    out["groups"].push_back({{"group", group.group.value},
                             {"applied", text(group.applied)},
                             {"decided", text(group.decided)},
                             {"last", text(last)}});
  }
  return out;
}

Result<std::vector<ViewedPool>> view_all(const std::vector<std::string>& paths) {
  std::vector<ViewedPool> pools;
  for (const std::string& path : paths) {
    const auto superblock = commit::superblock_at(path);
    if (!superblock) return superblock.error();
    if (!pools.empty() &&
        commit::cluster_of(*superblock) != commit::cluster_of(pools.front().superblock))
      return Error{Status::foreign, path + ": of cluster " + commit::cluster_of(*superblock) +
                                        ", and " + paths.front() + " of cluster " +
                                        commit::cluster_of(pools.front().superblock)};
    const auto total = commit::format::frame_offset(superblock->frames, 0) + superblock->ring;
    auto bar = std::make_shared<Bar>(path, total);
    auto viewed = view_pool(path, [bar](std::uint64_t bytes) { bar->add(bytes); });
    if (!viewed) return viewed.error();
    pools.push_back(*std::move(viewed));
  }
  return pools;
}

Outcome check(const LookOptions& options) {
  auto pools = view_all(options.paths);
  if (!pools) return pools.error();
  Json out;
  out["pools"] = Json::array();
  for (const ViewedPool& pool : *pools) out["pools"].push_back(to_json(pool));
  const auto found = differences(*pools);
  if (pools->size() > 1) {
    out["equal"] = found.empty();
    out["differences"] = found;
  }
  if (options.json) {
    std::printf("%s\n", out.dump().c_str());
  } else {
    for (const Json& pool : out["pools"])
      std::printf("%s: sound, %s pages in use, %s bytes of log\n",
                  pool["path"].get<std::string>().c_str(), pool["frames_used"].dump().c_str(),
                  pool["log_bytes_used"].dump().c_str());
    for (const std::string& one : found) std::printf("%s\n", one.c_str());
    if (pools->size() > 1 && found.empty()) std::printf("replicas are equal\n");
  }
  if (found.empty()) return Done{};
  return Error{Status::corrupt, "replicas differ in " + std::to_string(found.size()) + " places"};
}

void add_create(CLI::App& pool, Action& chosen) {
  auto options = std::make_shared<CreateOptions>();
  auto* command = pool.add_subcommand("create", "Make a node's pool; nothing is overwritten");
  command->add_option("PATH", options->path, "File to make, or a DAX device")->required();
  command->add_option("--size", options->size, "Of pool and log together, e.g. 1G")
      ->required()
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--cluster", options->cluster, "Id of its cluster")->required();
  command->add_option("--node", options->node, "Its node")
      ->required()
      ->check(CLI::Range(1u, 65535u));
  command->add_option("--kind", options->kind, "What it lies on; auto: by the file system")
      ->check(CLI::IsMember({"auto", "file", "memory"}));
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &chosen] { chosen = [options] { return create(*options); }; });
}

void add_look(CLI::App& pool, Action& chosen, const char* name, const char* what, int most,
              Outcome (*look)(const LookOptions&)) {
  auto options = std::make_shared<LookOptions>();
  auto* command = pool.add_subcommand(name, what);
  auto* paths = command->add_option("PATH", options->paths, "A pool")->required();
  if (most > 0) paths->expected(1, most);
  command->add_flag("--json", options->json, "As JSON");
  command->callback(
      [options, look, &chosen] { chosen = [options, look] { return look(*options); }; });
}

}  // namespace

void add_pool(CLI::App& app, Action& chosen) {
  auto* pool = app.add_subcommand("pool", "Make and examine the pools of nodes");
  pool->require_subcommand(1);
  add_create(*pool, chosen);
  add_look(*pool, chosen, "info", "Whose pool it is, and its sizes", 1, &info);
  add_look(*pool, chosen, "check",
           "Read all of a pool; of several of one cluster also whether replicas are equal", 0,
           &check);
}

}  // namespace dspm::cli
