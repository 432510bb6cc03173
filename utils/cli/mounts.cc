#include "utils/cli/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace dspm::cli {
namespace {

constexpr int kMostStacked = 16;  // mounts over each other at one point that are taken away
const char* const kConnections = "/sys/fs/fuse/connections";

// mountinfo writes blanks and the like as \ooo.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += char(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// umount(2); who is not root asks the helper that mounted it.
std::int64_t unmount_now(const std::string& point, int flags) {
  if (::umount2(point.c_str(), flags | UMOUNT_NOFOLLOW) == 0) return 0;
  if (errno != EPERM) return -errno;
  const pid_t child = ::fork();
  if (child < 0) return -errno;
  if (child == 0) {
    ::execlp("fusermount3", "fusermount3", (flags & MNT_DETACH) != 0 ? "-uqz" : "-uq",
             point.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -errno;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

bool write_file(const std::string& path, const char* text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = ::write(fd, text, std::strlen(text)) > 0;
  ::close(fd);
  return done;
}

}  // namespace

std::vector<Mount> all_mounts() {
  std::vector<Mount> mounts;
  std::ifstream in("/proc/self/mountinfo");
  std::string line;
  while (std::getline(in, line)) {
    // id parent major:minor root point options [tags…] - type source super-options
    std::istringstream words(line);
    std::string id, parent, device, root, point, word;
    words >> id >> parent >> device >> root >> point;
    while (words >> word && word != "-") {
    }
    Mount mount;
    words >> mount.type >> mount.source;
    if (!words) continue;
    mount.point = unescaped(point);
    mount.source = unescaped(mount.source);
    if (const auto colon = device.find(':'); colon != std::string::npos)
      mount.minor = unsigned(std::stoul(device.substr(colon + 1)));
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::optional<Mount> mount_at(const std::string& point) {
  std::optional<Mount> found;
  for (auto& mount : all_mounts())
    if (mount.point == point) found = std::move(mount);
  return found;
}

Probe begin_unmount(const std::string& point) {
  return Probe([&] { return mount_at(point) ? unmount_now(point, 0) : 0; });
}

Outcome finish_unmount(const std::string& point, Probe begun) {
  if (!begun.result(in(kUnmountLimit)))
    if (const auto mount = mount_at(point)) abort_connection(*mount);
  std::int64_t result = begun.result(in(kUnmountLimit)).value_or(-ETIMEDOUT);
  for (int i = 0; i < kMostStacked && mount_at(point); ++i) {
    Probe detach([&] { return unmount_now(point, MNT_DETACH); });
    result = detach.result(in(kUnmountLimit)).value_or(-ETIMEDOUT);
    if (result != 0) break;
  }
  if (!mount_at(point)) return Done{};
  return Error{Status::io_error, point + ": cannot be unmounted: " +
                                     std::strerror(result < 0 ? int(-result) : EBUSY)};
}

void abort_connection(const Mount& mount) {
  if (!mount.fuse()) return;
  const std::string abort =
      std::string(kConnections) + "/" + std::to_string(mount.minor) + "/abort";
  if (::access(abort.c_str(), F_OK) != 0) ::mount("fusectl", kConnections, "fusectl", 0, nullptr);
  write_file(abort, "1");
}

}  // namespace dspm::cli
