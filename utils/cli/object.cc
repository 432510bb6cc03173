// dspm object: what the daemon that serves a path knows of the object there.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "utils/base/ids.h"
#include "utils/cli/commands.h"
#include "utils/cli/mounts.h"
#include "utils/cli/probe.h"
#include "utils/cli/status_socket.h"
#include "utils/config/command_line.h"

namespace dspm::cli {
namespace {

constexpr std::chrono::milliseconds kAnswer{3000};

struct Options {
  std::string path;
  std::string socket;
  bool json = false;
};

struct Place {
  Ino ino;
  std::string mount;
};

// The path's object and mount, looked up by children: a stopped daemon would hold whoever does it.
Result<Place> locate(const std::string& path) {
  const auto look = [&](bool device) -> std::int64_t {
    struct stat at {};
    if (::stat(path.c_str(), &at) != 0) return -errno;
    if (!device) return std::int64_t(at.st_ino);
    return major(at.st_dev) == 0 ? std::int64_t(minor(at.st_dev)) : -ENODEV;
  };
  Probe inode([&] { return look(false); });
  Probe device([&] { return look(true); });
  const auto deadline = in(kAnswer);
  const auto ino = inode.result(deadline);
  const auto minor = device.result(deadline);
  if (!ino || !minor) return Error{Status::timed_out, path + ": its mount does not answer"};
  if (*ino < 0) return Error{Status::no_entry, path + ": " + std::strerror(int(-*ino))};
  for (const Mount& mount : all_mounts())
    if (mount.fuse() && *minor == std::int64_t(mount.minor))
      return Place{Ino(std::uint64_t(*ino)), mount.point};
  return Error{Status::invalid, path + " is not in a mount of dspmd"};
}

// A development cluster's lies beside the mount.
std::string socket_beside(const std::string& mount) {
  return mount.substr(0, mount.rfind('/')) + "/status.sock";
}

Outcome show(const Options& options) {
  const auto place = locate(options.path);
  if (!place) return place.error();
  const std::string socket = options.socket.empty() ? socket_beside(place->mount) : options.socket;
  if (options.socket.empty() && ::access(socket.c_str(), F_OK) != 0)
    return Error{Status::no_entry, "the status socket of " + place->mount + " is not at " + socket +
                                       "; name it with --socket"};
  const auto answer = ask_daemon(socket, "object " + std::to_string(place->ino.value), kAnswer);
  if (!answer) return answer.error();
  print_answer(*answer, options.json);
  return Done{};
}

}  // namespace

void add_object(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("object", "What a file's daemon knows of it");
  command->add_option("PATH", options->path, "A file in a mount")->required()->check(not_empty);
  command->add_option("--socket", options->socket, "Status socket of the daemon")->check(not_empty);
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &chosen] { chosen = [options] { return show(*options); }; });
}

}  // namespace dspm::cli
