// Truncation down and up and growth by write(), against mappings on other nodes that stay open. A
// controller does one step after another on random nodes and keeps a model of the file; after each
// step it looks at it from every node. Meanwhile, unsynchronised, a thread on each node loads, and
// one stores to words of its own and msyncs now and then.
//
// Every word holds 0 or a stamp, taken from one counter before it is stored. A cut raises the floor
// of all words behind it to the newest stamp that was surely stored before: a smaller one that is
// seen there afterwards is a byte from before the cut.
#include <setjmp.h>

#include <array>
#include <memory>
#include <mutex>
#include <random>

#include "tests/e2e/apps/app.h"
#include "tests/e2e/apps/processes.h"

namespace {

using namespace e2e;

constexpr std::size_t kNodes = 3;
constexpr std::size_t kPages = 48;
constexpr std::size_t kWords = kPages * kWordsPerPage;

thread_local sigjmp_buf t_bus;
thread_local volatile bool t_armed = false;

void on_bus(int) {
  if (!t_armed) ::_exit(7);
  siglongjmp(t_bus, 1);
}

// A load or store that may lie past the end; false: it does (SIGBUS).
bool load(const volatile std::uint64_t* word, std::uint64_t& value) {
  if (sigsetjmp(t_bus, 1) != 0) {
    t_armed = false;
    return false;
  }
  t_armed = true;
  value = *word;
  t_armed = false;
  return true;
}
bool store(volatile std::uint64_t* word, std::uint64_t value) {
  if (sigsetjmp(t_bus, 1) != 0) {
    t_armed = false;
    return false;
  }
  t_armed = true;
  *word = value;
  t_armed = false;
  return true;
}

bool storers(std::size_t word) { return word % 4 == 3; }

struct Node {
  Node(const std::string& mount)
      : fd(open_or_die(mount + "/truncate.dat", O_RDWR)), map(fd, kPages * kPage) {}
  const int fd;
  const Mapping map;
};

class Truncate {
 public:
  explicit Truncate(const std::vector<std::string>& mounts) {
    make_file(mounts[0] + "/truncate.dat", 0);
    for (std::size_t node = 0; node < kNodes; ++node)
      nodes_[node] = std::make_unique<Node>(mounts[node]);
  }

  bool run(int rounds) {
    std::vector<std::thread> threads;
    for (std::size_t node = 0; node < kNodes; ++node)
      threads.emplace_back([this, node] { load_all_the_time(node); });
    threads.emplace_back([this] { store_all_the_time(); });
    for (int round = 0; round < rounds && bad_ < 50; ++round) {
      step();
      look(round);
      pause();
    }
    ending_ = true;
    for (auto& thread : threads) thread.join();
    compare_nodes();
    say("rounds %d (cuts %d, grown by truncate %d, by write %d, stored %d), loads %lu (%lu of "
        "zeros past the end), bad %lu",
        rounds, cuts_, grown_, written_, stored_, loads_.load(), past_end_.load(), bad_.load());
    return bad_ == 0;
  }

 private:
  Node& some_node() { return *nodes_[last_ = random_() % kNodes]; }
  void pause() {
    if (random_() % 2 == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(random_() % 3000));
  }

  // One change; no commit of another node runs meanwhile (the contract lets a truncate that meets
  // one return before that node sees it).
  void step() {
    const std::scoped_lock lock(commits_);
    ++steps_;  // odd: what is expected is changing
    switch (random_() % 4) {
      case 0:
        set_size(some_node(), random_() % (size_ + 1));
        break;
      case 1:
        set_size(some_node(), size_ + random_() % (kWords + 1 - size_));
        break;
      case 2:
        append(some_node());
        break;
      default:
        change(some_node());
    }
    ++steps_;
  }

  void set_size(Node& node, std::size_t words) {
    ++(words <= size_ ? cuts_ : grown_);
    const std::uint64_t before = surely_stored();
    if (::ftruncate(node.fd, off_t(words * 8)) != 0) die("ftruncate");
    if (words < size_)
      for (std::size_t word = words; word < kWords; ++word) {
        model_[word] = 0;
        floor_[word] = before;
      }
    size_ = words;
  }

  // Every stamp up to the one returned was stored before this call, or never will be.
  std::uint64_t surely_stored() const {
    const std::uint64_t now = stamp_;
    const std::uint64_t in_hand = in_hand_;
    return in_hand != 0 ? std::min(now, in_hand - 1) : now;
  }

  void append(Node& node) {
    const std::size_t count = std::min<std::size_t>(1 + random_() % 3000, kWords - size_);
    std::vector<std::uint64_t> words(count);
    for (std::size_t i = 0; i < count; ++i) model_[size_ + i] = words[i] = ++stamp_;
    if (count == 0) return;
    write_all(node.fd, words.data(), count * 8, size_ * 8);
    if (::fsync(node.fd) != 0) die("fsync");
    size_ += count;
    ++written_;
  }

  void change(Node& node) {
    if (size_ == 0) return;
    for (int i = 0; i < 20; ++i) {
      const std::size_t word = random_() % size_;
      if (storers(word)) continue;
      model_[word] = ++stamp_;
      if (!store(node.map.words() + word, model_[word])) complain("SIGBUS of a store", word, 0);
    }
    node.map.sync(0, kPages * kPage);
    ++stored_;
  }

  // All nodes agree on size and content, at some words and around the end.
  void look(int round) {
    for (std::size_t n = 0; n < kNodes; ++n) {
      struct stat at {};
      if (::fstat(nodes_[n]->fd, &at) != 0) die("fstat");
      if (std::size_t(at.st_size) != size_ * 8)
        complain("size " + std::to_string(at.st_size) + " by stat", size_, n);
      for (int i = 0; i < 30; ++i) look_at(random_() % kWords, n);
      for (std::size_t word = size_ - std::min<std::size_t>(size_, 2); word < size_ + 600; ++word)
        look_at(std::min(word, kWords - 1), n);
    }
    if (round % 200 == 199) say("%d rounds", round + 1);
  }

  // Past the page of the end: SIGBUS, or 0 where this kernel learns of the shrink only by asking
  // for the page; behind the end in its page: 0; inside what the model has.
  void look_at(std::size_t word, std::size_t n) {
    const std::size_t end_page = (size_ + kWordsPerPage - 1) / kWordsPerPage;
    std::uint64_t value = 0;
    const bool there = load(nodes_[n]->map.words() + word, value);
    ++loads_;
    if (!there && word / kWordsPerPage < end_page) complain("SIGBUS inside", word, n);
    if (!there) return;
    if (word / kWordsPerPage >= end_page) ++past_end_;
    const bool late_store = storers(word) && value > floor_[word];
    if (!late_store && value != 0 && word >= size_)
      complain("value " + std::to_string(value) + " past the end", word, n);
    if (word < size_ && !storers(word) && value != model_[word])
      complain("value " + std::to_string(value), word, n);
  }

  // Without any order to the steps: nothing from before a cut; and where no step was under way,
  // what is inside can be loaded.
  void load_all_the_time(std::size_t n) {
    std::mt19937_64 random(n + 1);
    while (!ending_) {
      const std::size_t word = random() % kWords;
      const unsigned before = steps_;
      const std::size_t size = size_;
      const std::uint64_t floor = floor_[word];
      std::uint64_t value = 0;
      const bool there = load(nodes_[n]->map.words() + word, value);
      const bool calm = before % 2 == 0 && before == steps_;
      ++loads_;
      if (there && word < size && value != 0 && value <= floor)
        complain(
            "value " + std::to_string(value) + " from before a cut, floor " + std::to_string(floor),
            word, n);
      if (calm && !there && word < size) complain("SIGBUS inside, while nothing changed", word, n);
      if (random() % 64 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  void store_all_the_time() {
    std::mt19937_64 random(99);
    while (!ending_) {
      Node& node = *nodes_[random() % kNodes];
      for (int i = 0; i < 50; ++i) {
        const std::size_t size = size_;
        if (size < 4) continue;
        const std::size_t word = random() % (size / 4) * 4 + 3;
        in_hand_ = stamp_ + 1;  // not above the stamp that comes
        const std::uint64_t stamp = ++stamp_;
        (void)store(node.map.words() + word, stamp);
        in_hand_ = 0;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 1500));
      if (random() % 4 != 0) continue;
      const std::scoped_lock lock(commits_);
      node.map.sync(0, kPages * kPage);
    }
  }

  void compare_nodes() {
    for (auto& node : nodes_) node->map.sync(0, kPages * kPage);
    for (std::size_t word = 0; word < size_; ++word)
      for (std::size_t n = 0; n < kNodes; ++n) {
        std::uint64_t first = 0;
        std::uint64_t value = 0;
        const bool both = load(nodes_[0]->map.words() + word, first) &&
                          load(nodes_[n]->map.words() + word, value);
        if (!both || value != first) complain("nodes differ at the end", word, n);
      }
  }

  void complain(const std::string& what, std::size_t word, std::size_t n) {
    if (++bad_ <= 20)
      say("bad on node %zu (step %u by node %zu): word %zu, size %zu, model %lu: %s", n + 1,
          steps_ / 2, last_ + 1, word, size_.load(), model_[word].load(), what.c_str());
  }

  std::array<std::unique_ptr<Node>, kNodes> nodes_;
  std::mt19937_64 random_{std::random_device{}()};
  std::mutex commits_;
  std::atomic<std::size_t> size_ = 0;  // in words
  std::array<std::atomic<std::uint64_t>, kWords + 1> model_{};
  std::array<std::atomic<std::uint64_t>, kWords> floor_{};
  std::atomic<std::uint64_t> stamp_ = 0, in_hand_ = 0, loads_ = 0, past_end_ = 0, bad_ = 0;
  std::atomic<unsigned> steps_ = 0;
  std::atomic<bool> ending_ = false;
  std::size_t last_ = 0;
  int cuts_ = 0, grown_ = 0, written_ = 0, stored_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kNodes,
                            "e2e-truncate MOUNT1 MOUNT2 MOUNT3 [--rounds N] [--limit-s S]");
  struct sigaction action {};
  action.sa_handler = on_bus;
  action.sa_flags = SA_NODEFER;
  ::sigaction(SIGBUS, &action, nullptr);
  const int rounds = int(arguments.number("rounds", 1000));
  const double start = now();
  const bool good =
      run_processes({[&] { return std::make_unique<Truncate>(arguments.places)->run(rounds); }},
                    arguments.number("limit-s", 60 + rounds * 0.2));
  say("%.1f s", now() - start);
  return good ? 0 : 1;
}
