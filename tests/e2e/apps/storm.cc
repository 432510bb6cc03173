// Truncates, write()s, stores, msyncs and stats of one file from all nodes at once, without any
// order: no call takes long, and afterwards all nodes show the same file. What who sees meanwhile
// is not looked at (e2e-truncate does that).
#include <random>

#include "tests/e2e/apps/app.h"
#include "tests/e2e/apps/processes.h"

namespace {

using namespace e2e;

constexpr std::size_t kNodes = 3;
constexpr std::size_t kAlways = 8;  // pages that are never cut off: stores there never fail
constexpr std::size_t kPages = 24;
constexpr double kLongest = 10;  // seconds that one call may take on a busy machine

struct Shared {
  Barrier barrier;
  std::atomic<std::uint64_t> calls, bad, size[kNodes], sum[kNodes];
  std::atomic<double> longest;
};

class Worker {
 public:
  Worker(Shared& shared, std::size_t node, const std::string& mount)
      : shared_(shared),
        node_(node),
        fd_(open_or_die(mount + "/storm.dat", O_RDWR)),
        map_(fd_, kPages * kPage),
        random_(std::random_device{}() + node) {}

  bool run(double seconds) {
    for (int round = 0; round < std::max(1, int(seconds)); ++round) {
      const double end = now() + 1;
      while (now() < end) timed();
      if (::fsync(fd_) != 0) die("fsync");
      shared_.barrier.wait();
      describe();
      shared_.barrier.wait();
      compare(round);
      shared_.barrier.wait();
    }
    return shared_.bad == 0;
  }

 private:
  void timed() {
    const double start = now();
    const char* what = call();
    const double took = now() - start;
    ++shared_.calls;
    double longest = shared_.longest;
    while (took > longest && !shared_.longest.compare_exchange_weak(longest, took)) {
    }
    if (took > kLongest && ++shared_.bad <= 20)
      say("%s on node %zu took %.1f s", what, node_ + 1, took);
  }

  const char* call() {
    switch (random_() % 8) {
      case 0:
        if (::ftruncate(fd_, off_t(kAlways * kPage + random_() % ((kPages - kAlways) * kPage))) !=
            0)
          die("ftruncate");
        return "ftruncate";
      case 1: {
        char bytes[2 * kPage];
        std::memset(bytes, int('a' + random_() % 26), sizeof bytes);
        write_all(fd_, bytes, 1 + random_() % sizeof bytes, random_() % ((kPages - 2) * kPage));
        return "write";
      }
      case 2:
        if (::fsync(fd_) != 0) die("fsync");
        return "fsync";
      case 3: {
        struct stat at {};
        if (::fstat(fd_, &at) != 0) die("fstat");
        return "fstat";
      }
      case 4:
        map_.sync(0, kAlways * kPage);
        return "msync";
      default:
        for (int i = 0; i < 8; ++i)
          map_.bytes()[random_() % (kAlways * kPage)] = std::uint8_t(random_());
        return "store";
    }
  }

  // What this node shows, as size and a sum that any byte changes, by read() and by its mapping.
  void describe() {
    struct stat at {};
    if (::fstat(fd_, &at) != 0) die("fstat");
    std::vector<std::uint8_t> bytes(kPages * kPage + 1);
    const ssize_t n = ::pread(fd_, bytes.data(), bytes.size(), 0);
    if (n < 0) die("pread");
    std::uint64_t sum = 14'695'981'039'346'656'037u;
    for (ssize_t i = 0; i < n; ++i) sum = (sum ^ bytes[std::size_t(i)]) * 1'099'511'628'211u;
    shared_.size[node_] = std::uint64_t(at.st_size);
    shared_.sum[node_] = sum;
    if (n != at.st_size) complain("read() gives " + std::to_string(n) + " bytes of", at.st_size);
    for (ssize_t i = 0; i < n; ++i)
      if (map_.bytes()[i] != bytes[std::size_t(i)]) return complain("mapping differs at byte", i);
  }

  void compare(int round) {
    if (shared_.size[node_] != shared_.size[0])
      complain("round " + std::to_string(round) + ": node 1 has another size than",
               off_t(shared_.size[node_]));
    else if (shared_.sum[node_] != shared_.sum[0])
      complain("round " + std::to_string(round) + ": other bytes than node 1 has, size",
               off_t(shared_.size[node_]));
  }

  void complain(const std::string& what, off_t number) {
    if (++shared_.bad <= 20) say("bad on node %zu: %s %ld", node_ + 1, what.c_str(), long(number));
  }

  Shared& shared_;
  const std::size_t node_;
  const int fd_;
  const Mapping map_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kNodes, "e2e-storm MOUNT1 MOUNT2 MOUNT3 [--seconds S]");
  const double seconds = arguments.number("seconds", 5);
  auto* state = shared<Shared>();
  state->barrier.init(kNodes);
  make_file(arguments.places[0] + "/storm.dat", kAlways * kPage);
  std::vector<std::function<bool()>> works;
  for (std::size_t node = 0; node < kNodes; ++node)
    works.push_back(
        [=, &arguments] { return Worker(*state, node, arguments.places[node]).run(seconds); });
  const bool good = run_processes(works, seconds * 3 + 60) && state->bad == 0;
  say("calls %lu, the longest %.0f ms, bad %lu", state->calls.load(), state->longest.load() * 1e3,
      state->bad.load());
  return good ? 0 : 1;
}
