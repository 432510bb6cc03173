// 1,000 times: create, rename, chmod, truncate, unlink on one node; stat, open, readdir, read by
// the next call on another. Whatever one node was told is done is what the other sees at once.
#include <dirent.h>

#include <random>

#include "tests/e2e/apps/app.h"

namespace {

using namespace e2e;

class Names {
 public:
  explicit Names(std::vector<std::string> mounts) : mounts_(std::move(mounts)) {
    dir_ = "names";
    if (::mkdir((mounts_[0] + "/" + dir_).c_str(), 0755) != 0 && errno != EEXIST) die("mkdir");
  }

  int run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      pick();
      one_round(round);
      if (round % 10 == 0) directories(round);
    }
    say("rounds %d, looks %lu, misses %lu", rounds, looks_, misses_);
    return misses_ == 0 ? 0 : 1;
  }

 private:
  // Another node acts, another looks.
  void pick() {
    actor_ = random_() % mounts_.size();
    viewer_ = (actor_ + 1 + random_() % (mounts_.size() - 1)) % mounts_.size();
  }
  std::string act(const std::string& name) const { return path(actor_, name); }
  std::string see(const std::string& name) const { return path(viewer_, name); }
  std::string path(std::size_t node, const std::string& name) const {
    return mounts_[node] + "/" + dir_ + "/" + name;
  }

  void one_round(int round) {
    const std::string name = "file" + std::to_string(round);
    const std::string other = "renamed" + std::to_string(round);
    const std::string content = std::string(1 + random_() % 9000, char('a' + round % 26));
    create(name, content);
    expect_file(name, content, 0640, "create");
    pick();
    if (::rename(act(name).c_str(), act(other).c_str()) != 0) die("rename");
    expect_absent(name, "rename");
    expect_file(other, content, 0640, "rename");
    pick();
    if (::chmod(act(other).c_str(), 0604) != 0) die("chmod");
    expect_file(other, content, 0604, "chmod");
    pick();
    const std::size_t shorter = random_() % content.size();
    if (::truncate(act(other).c_str(), off_t(shorter)) != 0) die("truncate");
    expect_file(other, content.substr(0, shorter), 0604, "truncate");
    pick();
    const std::string second = "second" + std::to_string(round);
    create(second, "over");
    if (::rename(act(second).c_str(), act(other).c_str()) != 0) die("rename over");
    expect_absent(second, "rename over");
    expect_file(other, "over", 0640, "rename over");
    pick();
    if (::unlink(act(other).c_str()) != 0) die("unlink");
    expect_absent(other, "unlink");
  }

  void directories(int round) {
    const std::string name = "dir" + std::to_string(round);
    pick();
    if (::mkdir(act(name).c_str(), 0750) != 0) die("mkdir");
    struct stat at {};
    expect(::stat(see(name).c_str(), &at) == 0 && S_ISDIR(at.st_mode), "mkdir: stat", name);
    expect(listed(name), "mkdir: readdir", name);
    pick();
    if (::rmdir(act(name).c_str()) != 0) die("rmdir");
    expect_absent(name, "rmdir");
  }

  void create(const std::string& name, const std::string& content) {
    const int fd = open_or_die(act(name), O_WRONLY | O_CREAT | O_EXCL, 0640);
    write_all(fd, content.data(), content.size(), 0);
    if (::close(fd) != 0) die("close");
  }

  void expect_file(const std::string& name, const std::string& content, unsigned mode,
                   const char* after) {
    const std::string what = after;
    switch (random_() % 4) {  // "the next call" is each of them in turn
      case 0:
        return expect_attributes(name, content, mode, what);
      case 1:
        return expect(listed(name), what + ": readdir", name);
      default:
        expect_content(name, content, what);
        expect_attributes(name, content, mode, what);
        expect(listed(name), what + ": readdir", name);
    }
  }

  void expect_attributes(const std::string& name, const std::string& content, unsigned mode,
                         const std::string& what) {
    struct stat at {};
    const bool there = ::stat(see(name).c_str(), &at) == 0;
    expect(there, what + ": stat", name);
    if (!there) return;
    expect(std::size_t(at.st_size) == content.size(), what + ": size", name);
    expect((at.st_mode & 07777) == mode, what + ": mode", name);
  }

  void expect_content(const std::string& name, const std::string& content,
                      const std::string& what) {
    const int fd = ::open(see(name).c_str(), O_RDONLY | O_CLOEXEC);
    expect(fd >= 0, what + ": open", name);
    if (fd < 0) return;
    std::string seen(content.size() + 10, '\0');
    const ssize_t n = ::read(fd, seen.data(), seen.size());
    seen.resize(n < 0 ? 0 : std::size_t(n));
    expect(seen == content, what + ": read", name);
    ::close(fd);
  }

  void expect_absent(const std::string& name, const char* after) {
    const std::string what = after;
    struct stat at {};
    const bool lists_first = random_() % 2 == 0;
    if (lists_first) expect(!listed(name), what + ": still in readdir", name);
    expect(::stat(see(name).c_str(), &at) != 0 && errno == ENOENT, what + ": still there", name);
    const int fd = ::open(see(name).c_str(), O_RDONLY | O_CLOEXEC);
    expect(fd < 0 && errno == ENOENT, what + ": still opens", name);
    if (fd >= 0) ::close(fd);
    if (!lists_first) expect(!listed(name), what + ": still in readdir", name);
  }

  bool listed(const std::string& name) {
    DIR* dir = ::opendir((mounts_[viewer_] + "/" + dir_).c_str());
    if (dir == nullptr) die("opendir");
    bool found = false;
    while (const dirent* entry = ::readdir(dir)) found = found || name == entry->d_name;
    ::closedir(dir);
    return found;
  }

  void expect(bool good, const std::string& what, const std::string& name) {
    ++looks_;
    if (good) return;
    if (++misses_ <= 20)
      say("miss: node %zu acted, node %zu looked: %s (%s): %s", actor_ + 1, viewer_ + 1,
          what.c_str(), name.c_str(), std::strerror(errno));
  }

  const std::vector<std::string> mounts_;
  std::string dir_;
  std::mt19937_64 random_{std::random_device{}()};
  std::size_t actor_ = 0, viewer_ = 0;
  unsigned long looks_ = 0, misses_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, 3, "e2e-names MOUNT1 MOUNT2 MOUNT3 [--rounds N]");
  return Names(arguments.places).run(int(arguments.number("rounds", 1000)));
}
