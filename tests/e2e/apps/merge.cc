// One 64 MiB file mapped on three nodes. Each stores records on pages of its own and on its bytes
// of pages that all share, msyncs, and looks at the others' acknowledged records through its
// mapping, which stays open throughout. Every second all stop, and everything must be everywhere.
#include <random>

#include "tests/e2e/apps/app.h"
#include "tests/e2e/apps/processes.h"

namespace {

using namespace e2e;

constexpr std::size_t kNodes = 3;
constexpr std::size_t kPages = 16'384;
constexpr std::size_t kHot = 32;           // pages that all store to all the time
constexpr std::uint64_t kStep = 0x1'0101;  // so that several bytes change from record to record
constexpr std::size_t kSpread = 256;       // word where the byte-interleaved records begin

struct Shared {
  Barrier barrier;
  std::atomic<std::uint64_t> acked[kNodes][kPages];  // newest record whose msync returned
  std::atomic<std::uint64_t> msyncs, looks, checks, bad;
};

class Worker {
 public:
  Worker(Shared& shared, std::size_t node, const std::string& mount)
      : shared_(shared),
        node_(node),
        fd_(open_or_die(mount + "/merge.dat", O_RDWR)),
        map_(fd_, kPages * kPage),
        random_(std::random_device{}() + node),
        mine_(kPages) {}

  bool run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      const double end = now() + 1.0;
      while (now() < end) turn();
      shared_.barrier.wait();
      const bool last = round + 1 == rounds;
      for (std::size_t page = 0; page < (last ? kPages : 4 * kHot); ++page) check(page);
      shared_.barrier.wait();
    }
    check_by_read();
    return shared_.bad == 0;
  }

 private:
  // A hot page, one that all use now and then, or one that only this node stores to.
  std::size_t some_page() {
    switch (random_() % 4) {
      case 0:
      case 1:
        return random_() % kHot;
      case 2:
        return random_() % (4 * kHot);
      default:
        return 4 * kHot + random_() % (kPages / 3 - 2 * kHot) * 3 + node_;
    }
  }

  // Byte i of a spread record lies between the bytes of the other nodes.
  std::size_t spread_at(std::size_t page, std::size_t node, std::size_t i) const {
    return page * kPage + kSpread * 8 + kNodes * i + node;
  }

  void store(std::size_t page) {
    const std::uint64_t record = (std::uint64_t(node_ + 1) << 56) | (++counter_ * kStep);
    mine_[page] = record;
    map_.word(page, node_) = record;
    for (std::size_t i = 0; i < 8; ++i)
      map_.bytes()[spread_at(page, node_, i)] = std::uint8_t(record >> (8 * i));
  }

  void turn() {
    std::vector<std::size_t> pages(1 + random_() % 16);
    for (auto& page : pages) store(page = std::min(some_page(), kPages - 1));
    map_.sync();
    ++shared_.msyncs;
    for (const auto page : pages) shared_.acked[node_][page] = mine_[page];
    for (int i = 0; i < 16; ++i) look(random_() % kHot, random_() % kNodes);
  }

  // Whatever was acknowledged before a load starts is seen by it, or something newer.
  void look(std::size_t page, std::size_t node) {
    const std::uint64_t acked = shared_.acked[node][page];
    const std::uint64_t seen = map_.word(page, node);
    ++shared_.looks;
    if (order(seen) < order(acked) || (seen != 0 && seen >> 56 != node + 1))
      complain("stale", page, node, seen, acked);
  }
  static std::uint64_t order(std::uint64_t record) {
    return record & ((std::uint64_t{1} << 56) - 1);
  }

  void check(std::size_t page) {
    for (std::size_t node = 0; node < kNodes; ++node) {
      const std::uint64_t acked = shared_.acked[node][page];
      const std::uint64_t seen = map_.word(page, node);
      std::uint64_t spread = 0;
      for (std::size_t i = 0; i < 8; ++i)
        spread |= std::uint64_t(map_.bytes()[spread_at(page, node, i)]) << (8 * i);
      shared_.checks += 2;
      if (seen != acked) complain("word", page, node, seen, acked);
      if (spread != acked) complain("bytes", page, node, spread, acked);
    }
  }

  void check_by_read() {
    std::vector<std::uint64_t> page(kWordsPerPage);
    for (std::size_t p = 0; p < 4 * kHot; ++p) {
      if (::pread(fd_, page.data(), kPage, off_t(p * kPage)) != ssize_t(kPage)) die("pread");
      for (std::size_t node = 0; node < kNodes; ++node) {
        ++shared_.checks;
        if (page[node] != shared_.acked[node][p])
          complain("read()", p, node, page[node], shared_.acked[node][p]);
      }
    }
  }

  void complain(const char* what, std::size_t page, std::size_t node, std::uint64_t seen,
                std::uint64_t acked) {
    if (++shared_.bad <= 20)
      say("bad %s on node %zu: page %zu, record of node %zu: seen %016lx, acknowledged %016lx",
          what, node_ + 1, page, node + 1, seen, acked);
  }

  Shared& shared_;
  const std::size_t node_;
  const int fd_;
  const Mapping map_;
  std::mt19937_64 random_;
  std::uint64_t counter_ = 0;
  std::vector<std::uint64_t> mine_;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kNodes, "e2e-merge MOUNT1 MOUNT2 MOUNT3 [--seconds S]");
  const int seconds = int(arguments.number("seconds", 5));
  auto* state = shared<Shared>();
  state->barrier.init(kNodes);
  make_file(arguments.places[0] + "/merge.dat", kPages * kPage);
  std::vector<std::function<bool()>> works;
  for (std::size_t node = 0; node < kNodes; ++node)
    works.push_back([=, &arguments] {
      return Worker(*state, node, arguments.places[node]).run(std::max(seconds, 1));
    });
  const bool good = run_processes(works, seconds * 3 + 60) && state->bad == 0;
  say("msyncs %lu, looks %lu, checks %lu, bad %lu", state->msyncs.load(), state->looks.load(),
      state->checks.load(), state->bad.load());
  return good ? 0 : 1;
}
