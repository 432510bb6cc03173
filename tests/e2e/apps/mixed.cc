// Every way to change a page at once, on the same pages: on node 1 write() of parts and of whole
// pages, direct writes, asynchronous direct writes, mapped stores (also through a handle opened
// O_DIRECT); on nodes 2 and 3 mapped stores with msync. Nobody's byte is lost, nobody's old byte
// comes back.
//
// Each actor has a word of its own in every page: its newest value must be there, on its node at
// once, everywhere at each checkpoint. Pages of the second kind are also overwritten whole by node
// 1: there each byte must be the newest of somebody, and the same on all nodes.
#include <linux/aio_abi.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <random>

#include "tests/e2e/apps/app.h"
#include "tests/e2e/apps/processes.h"

namespace {

using namespace e2e;

constexpr std::size_t kNodes = 3;
constexpr std::size_t kPages = 4;       // of the first kind
constexpr std::size_t kWholePages = 2;  // behind them
constexpr std::size_t kSize = (kPages + kWholePages) * kPage;
constexpr double kCheckEvery = 0.5;

enum class Way { write, direct, aio, store, direct_store, whole };
struct Actor {
  const char* name;
  std::size_t node;
  Way way;
};
// The index is the actor's word in each page. At most one of the whole-page writers a page.
constexpr std::array kActors{
    Actor{"write() on node 1", 0, Way::write},
    Actor{"direct write on node 1", 0, Way::direct},
    Actor{"aio write on node 1", 0, Way::aio},
    Actor{"store on node 1", 0, Way::store},
    Actor{"store through an O_DIRECT handle on node 1", 0, Way::direct_store},
    Actor{"msync on node 2", 1, Way::store},
    Actor{"msync on node 3", 2, Way::store},
    Actor{"whole-page write()s on node 1", 0, Way::whole},
};
constexpr std::size_t kWords = kActors.size();
constexpr std::size_t kWhole = kWords - 1;

struct Shared {
  Barrier barrier;
  std::atomic<std::uint64_t> newest[kPages + kWholePages][kWords];
  std::atomic<std::uint64_t> whole[kWholePages];  // fills such a page
  std::atomic<std::uint64_t> changes[kWords];
  std::atomic<std::uint64_t> image[kWholePages][kWords];  // as node 1 sees it at a checkpoint
  std::atomic<std::uint64_t> checks, bad;
};

// One asynchronous write at a time.
class Aio {
 public:
  Aio() {
    if (::syscall(SYS_io_setup, 4, &context_) != 0) die("io_setup");
  }
  ~Aio() { ::syscall(SYS_io_destroy, context_); }
  void write(int fd, const void* bytes, std::size_t count, std::size_t offset) const {
    iocb block{};
    block.aio_lio_opcode = IOCB_CMD_PWRITE;
    block.aio_fildes = std::uint32_t(fd);
    block.aio_buf = reinterpret_cast<std::uintptr_t>(bytes);
    block.aio_nbytes = count;
    block.aio_offset = std::int64_t(offset);
    iocb* blocks[] = {&block};
    if (::syscall(SYS_io_submit, context_, 1, blocks) != 1) die("io_submit");
    io_event event{};
    if (::syscall(SYS_io_getevents, context_, 1, 1, &event, nullptr) != 1) die("io_getevents");
    if (event.res != std::int64_t(count)) die("aio write", int(-event.res));
  }

 private:
  aio_context_t context_ = 0;
};

// The files and mappings of one node.
struct Node {
  explicit Node(const std::string& path)
      : fd(open_or_die(path, O_RDWR)),
        direct_fd(open_or_die(path, O_RDWR | O_DIRECT)),
        map(fd, kSize),
        direct_map(direct_fd, kSize) {
    map.advise(MADV_RANDOM);
    direct_map.advise(MADV_RANDOM);
  }
  const int fd, direct_fd;
  const Mapping map, direct_map;
};

class Worker {
 public:
  Worker(Shared& shared, const Node& node, std::size_t actor)
      : shared_(shared), node_(node), index_(actor), actor_(kActors[actor]) {
    if (::posix_memalign(&page_, kPage, kPage) != 0) die("posix_memalign");
  }
  ~Worker() { std::free(page_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void run(double seconds) {
    for (int round = 0; round < std::max(1, int(seconds / kCheckEvery)); ++round) {
      const double end = now() + kCheckEvery;
      while (now() < end) turn();
      if (::fsync(node_.fd) != 0) die("fsync");
      node_.map.sync();
      shared_.barrier.wait();
      if (is_first_of_node()) check_own_words();
      if (index_ == 0) keep_image();
      shared_.barrier.wait();
      if (is_first_of_node()) check_whole_pages();
      shared_.barrier.wait();
    }
  }

 private:
  bool is_first_of_node() const { return index_ == 0 || actor_.node != 0; }

  // No two successive values share a byte.
  std::uint64_t next_value() {
    count_ += 1 + random_() % 100;
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | (1 + (count_ * 7 + std::size_t(i) * 31) % 251);
    return value;
  }

  void turn() {
    ++shared_.changes[index_];
    if (index_ == kWhole) return overwrite(random_() % kWholePages);
    // A store that races with a write() of the same byte on the same node is undefined.
    const bool stores_here = actor_.way == Way::store || actor_.way == Way::direct_store;
    const bool everywhere = actor_.node != 0 || !stores_here;
    for (std::size_t page = 0; page < kPages + (everywhere ? kWholePages : 0); ++page) {
      const std::uint64_t value = next_value();
      shared_.newest[page][index_] = value;
      change(page, value);
      const std::uint64_t seen = node_.map.word(page, index_);
      if (page < kPages && seen != value) complain("at once", page, index_, seen, value);
    }
    const bool other_node = actor_.node != 0;
    if (other_node || random_() % 16 == 0) node_.map.sync();
  }

  void change(std::size_t page, const std::uint64_t& value) {
    const std::size_t offset = page * kPage + index_ * 8;
    switch (actor_.way) {
      case Way::write:
        return write_all(node_.fd, &value, sizeof value, offset);
      case Way::direct:
        return write_all(node_.direct_fd, &value, sizeof value, offset);
      case Way::aio:
        return aio_.write(node_.direct_fd, &value, sizeof value, offset);
      case Way::direct_store:
        node_.direct_map.word(page, index_) = value;
        return;
      default:
        node_.map.word(page, index_) = value;
    }
  }

  void overwrite(std::size_t page) {
    const std::uint64_t value = next_value();
    std::fill_n(static_cast<std::uint64_t*>(page_), kWordsPerPage, value);
    shared_.whole[page] = value;
    const std::size_t offset = (kPages + page) * kPage;
    switch (random_() % 3) {
      case 0:
        write_all(node_.fd, page_, kPage, offset);
        break;
      case 1:
        write_all(node_.direct_fd, page_, kPage, offset);
        break;
      default:
        aio_.write(node_.direct_fd, page_, kPage, offset);
    }
    if (random_() % 8 == 0) node_.map.sync();
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 500));
  }

  void check_own_words() {
    for (std::size_t page = 0; page < kPages; ++page)
      for (std::size_t word = 0; word < kWhole; ++word) {
        ++shared_.checks;
        const std::uint64_t seen = node_.map.word(page, word);
        const std::uint64_t wanted = shared_.newest[page][word];
        if (seen != wanted) complain("at a checkpoint", page, word, seen, wanted);
      }
  }

  void keep_image() {
    for (std::size_t page = 0; page < kWholePages; ++page)
      for (std::size_t word = 0; word < kWords; ++word)
        shared_.image[page][word] = node_.map.word(kPages + page, word);
  }

  // Each byte is the newest of the word's actor or of the last overwrite; equal on all nodes.
  void check_whole_pages() {
    for (std::size_t page = 0; page < kWholePages; ++page)
      for (std::size_t word = 0; word < kWords; ++word) {
        ++shared_.checks;
        const std::uint64_t seen = node_.map.word(kPages + page, word);
        const std::uint64_t image = shared_.image[page][word];
        if (seen != image) complain("differs from node 1", kPages + page, word, seen, image);
        const std::uint64_t own = shared_.newest[kPages + page][word];
        const std::uint64_t whole = shared_.whole[page];
        for (int shift = 0; shift < 64; shift += 8) {
          const auto byte = std::uint8_t(seen >> shift);
          if (byte == std::uint8_t(own >> shift) || byte == std::uint8_t(whole >> shift)) continue;
          complain("old byte", kPages + page, word, seen, own);
          break;
        }
      }
  }

  void complain(const char* what, std::size_t page, std::size_t word, std::uint64_t seen,
                std::uint64_t wanted) {
    if (++shared_.bad <= 20)
      say("bad on node %zu, %s: page %zu, word of %s: seen %016lx, wanted %016lx", actor_.node + 1,
          what, page, kActors[word].name, seen, wanted);
  }

  Shared& shared_;
  const Node& node_;
  const std::size_t index_;
  const Actor& actor_;
  const Aio aio_;
  void* page_ = nullptr;
  std::mt19937_64 random_{std::random_device{}()};
  std::uint64_t count_ = 0;
};

bool run_node(Shared& shared, std::size_t node, const std::string& mount, double seconds) {
  const Node files(mount + "/mixed.dat");
  std::vector<std::thread> threads;
  for (std::size_t actor = 0; actor < kWords; ++actor)
    if (kActors[actor].node == node)
      threads.emplace_back([&, actor] { Worker(shared, files, actor).run(seconds); });
  for (auto& thread : threads) thread.join();
  return shared.bad == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kNodes, "e2e-mixed MOUNT1 MOUNT2 MOUNT3 [--seconds S]");
  const double seconds = arguments.number("seconds", 60);
  auto* state = shared<Shared>();
  state->barrier.init(kWords);
  make_file(arguments.places[0] + "/mixed.dat", kSize);
  std::vector<std::function<bool()>> works;
  for (std::size_t node = 0; node < kNodes; ++node)
    works.push_back(
        [=, &arguments] { return run_node(*state, node, arguments.places[node], seconds); });
  const bool good = run_processes(works, seconds * 3 + 60) && state->bad == 0;
  for (std::size_t actor = 0; actor < kWords; ++actor)
    say("%-45s %lu rounds", kActors[actor].name, state->changes[actor].load());
  say("checks %lu, bad %lu", state->checks.load(), state->bad.load());
  return good ? 0 : 1;
}
