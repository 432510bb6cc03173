// 2,000 threads in msync on objects that two nodes hold dirty for each other: thread i of each node
// stores its own word of object i, all at once, then all msync at once. Nobody waits for ever, and
// both words are everywhere.
#include <memory>

#include "tests/e2e/apps/app.h"
#include "tests/e2e/apps/processes.h"

namespace {

using namespace e2e;

constexpr std::size_t kNodes = 2;

struct Shared {
  Barrier all;
  std::atomic<std::uint64_t> msyncs, bad;
};

struct Plan {
  std::size_t objects;
  int rounds;
};

std::string object_path(const std::string& mount, std::size_t object) {
  return mount + "/manysync/" + std::to_string(object);
}

std::uint64_t value_of(std::size_t node, std::size_t object, int round) {
  return (std::uint64_t(node + 1) << 48) | (std::uint64_t(object + 1) << 16) | unsigned(round + 1);
}

struct Task {
  Shared& shared;
  const Plan& plan;
  std::size_t node;
  std::size_t object;
  const Mapping& map;

  void run() const {
    for (int round = 0; round < plan.rounds; ++round) {
      map.word(0, node) = value_of(node, object, round);
      shared.all.wait();  // now all objects are dirty on both nodes
      map.sync();
      ++shared.msyncs;
      shared.all.wait();
      for (std::size_t other = 0; other < kNodes; ++other) {
        const auto seen = map.word(0, other);
        if (seen == value_of(other, object, round)) continue;
        if (++shared.bad <= 20)
          say("bad on node %zu: object %zu round %d word of node %zu: %lx", node + 1, object, round,
              other + 1, seen);
      }
      shared.all.wait();
    }
  }
};

void* run_task(void* task) {
  static_cast<const Task*>(task)->run();
  return nullptr;
}

bool work(Shared& shared, const Plan& plan, std::size_t node, const std::string& mount) {
  std::vector<std::unique_ptr<Mapping>> maps;
  std::vector<std::unique_ptr<Task>> tasks;
  for (std::size_t object = 0; object < plan.objects; ++object) {
    const int fd = open_or_die(object_path(mount, object), O_RDWR);
    maps.push_back(std::make_unique<Mapping>(fd, kPage));
    ::close(fd);
    tasks.push_back(std::make_unique<Task>(Task{shared, plan, node, object, *maps.back()}));
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, std::size_t{64} << 10);
  std::vector<pthread_t> threads(plan.objects);
  for (std::size_t i = 0; i < plan.objects; ++i)
    if (const int error = pthread_create(&threads[i], &attributes, run_task, tasks[i].get()))
      die("pthread_create", error);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  return shared.bad == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kNodes,
                            "e2e-manysync MOUNT1 MOUNT2 [--threads T] [--rounds N] [--limit-s S]");
  const Plan plan{std::size_t(arguments.number("threads", 2000)) / kNodes,
                  int(arguments.number("rounds", 3))};
  auto* state = shared<Shared>();
  state->all.init(unsigned(plan.objects * kNodes));
  ::mkdir((arguments.places[0] + "/manysync").c_str(), 0755);
  for (std::size_t object = 0; object < plan.objects; ++object)
    make_file(object_path(arguments.places[0], object), kPage);
  std::vector<std::function<bool()>> works;
  for (std::size_t node = 0; node < kNodes; ++node)
    works.push_back([=, &arguments] { return work(*state, plan, node, arguments.places[node]); });
  const double start = now();
  const bool good = run_processes(works, arguments.number("limit-s", 90)) && state->bad == 0;
  say("%zu threads, msyncs %lu, bad %lu, %.1f s", plan.objects * kNodes, state->msyncs.load(),
      state->bad.load(), now() - start);
  return good ? 0 : 1;
}
