#include "tests/sim/run.h"

#include <memory>

namespace dspm::sim {

using std::chrono::seconds;

void Totals::add(const Totals& o) {
  seeds += o.seeds;
  bad += o.bad;
  steps += o.steps;
  commits += o.commits;
  loads += o.loads;
  messages += o.messages;
  writes += o.writes;
  syncs += o.syncs;
  truncates += o.truncates;
  refetches += o.refetches;
  rewrites += o.rewrites;
}

namespace {

void plan_world(Scheduler& s, WorldOptions& w) {
  w.nodes = s.below(8) ? 3 : 2;
  w.objects = s.below(6) ? 3 : 4;
  w.pages = 8 + s.below(3);
  w.kernel.read_ahead = unsigned(1 + s.below(4));
  w.kernel.joined_writes = unsigned(1 + s.below(4));
  for (unsigned n = 0; n < w.nodes; n++) w.old_kernels.push_back(s.below(3) == 0);
  w.net.slow_percent = unsigned(s.below(40));
  w.net.slow_us = 100 + s.below(1500);
  w.net.duplicate_percent = s.below(3) ? 0 : unsigned(s.below(20));
  for (std::size_t i = 0; i < std::variant_size_v<fs::Message>; i++)
    w.net.kind_us.push_back(s.below(5) ? 0 : s.below(3000));
  w.kernel.write_delay_us = s.below(3) ? 40 : 40 + s.below(600);
  w.kernel.setattr_delay_us = s.below(3) ? 30 : 30 + s.below(800);
  w.job_us = s.below(4) ? 5 + s.below(200) : 5 + s.below(1500);
  w.groups_late = s.below(8) == 0;
}

// What a seed is about; the rest is chance.
enum class Class : unsigned char { broad, tight, direct, sizes, growth, slow, restarts };

Class class_of(std::uint64_t seed) {
  static constexpr Class kClasses[] = {Class::broad,  Class::tight, Class::direct, Class::sizes,
                                       Class::growth, Class::tight, Class::sizes,  Class::direct};
  if (seed % 24 == 0) return Class::slow;
  return seed % 12 == 8 ? Class::restarts : kClasses[seed % 8];
}

void plan_broad(Scheduler& s, const WorldOptions& w, ProgramOptions& p) {
  p.threads = unsigned(1 + s.below(3));
  p.operations = unsigned(90 / p.threads);
  p.write = s.below(3) ? unsigned(s.below(14)) : 0;
  p.whole = s.below(3) ? unsigned(s.below(10)) : 0;
  p.direct = s.below(4) ? 0 : unsigned(4 + s.below(12));
  p.sync = unsigned(5 + s.below(15));
  p.flusher = unsigned(s.below(16));
  p.evict = unsigned(s.below(12));
  p.reopen = unsigned(s.below(6));
  p.pin = s.below(10) ? 0 : 2;
  p.chmod = s.below(3) ? 0 : 3;
  p.some_read_only = s.below(4) == 0;
  p.first_size = w.pages * kPageSize;
}

void plan_sizes(Scheduler& s, const WorldOptions& w, ProgramOptions& p) {
  p.truncate = unsigned(1 + s.below(6));
  p.extend = unsigned(s.below(6));
  p.append = unsigned(s.below(6));
  p.stat = unsigned(2 + s.below(8));
  p.chmod = unsigned(s.below(6));
  if (s.below(3) == 0) p.first_size = s.below(w.pages) * kPageSize + s.below(200);
}

// Files that grow, are followed by others, and have their attributes changed.
void plan_growth(Scheduler& s, ProgramOptions& p) {
  p.first_size = s.below(3) * kPageSize + s.below(200);
  p.append = p.extend = unsigned(3 + s.below(6));
  p.truncate = s.below(2) ? 1 : 0;
  p.truncate_up = unsigned(s.below(6));
  p.stat = p.chmod = unsigned(2 + s.below(8));
  p.direct = p.whole = 0;
}

// Most of it happens in few pages of one object.
void plan_places(Scheduler& s, const WorldOptions& w, ProgramOptions& p, bool tight) {
  for (unsigned i = 0; i < w.objects; i++) p.object_weights.push_back(1);
  p.object_weights[s.below(w.objects)] = tight ? 30 : 8;
  for (unsigned i = 0; i < w.pages; i++) p.page_weights.push_back(1);
  const auto hot = 1 + s.below(tight ? 2 : 3);
  for (std::uint64_t i = 0; i < hot; i++) p.page_weights[s.below(w.pages)] += tight ? 60 : 10;
}

void plan_programs(Scheduler& s, Class what, WorldOptions& w, ProgramOptions& p) {
  plan_broad(s, w, p);
  const bool tight = what == Class::tight || what == Class::direct || s.below(3) == 0;
  plan_places(s, w, p, tight);
  if (tight) {
    p.think_us = 15 + s.below(60);
    p.long_think_us = 10 * p.think_us;
  }
  if (what == Class::direct) p.direct = unsigned(10 + s.below(20));
  if (what == Class::sizes || (what == Class::broad && s.below(2))) plan_sizes(s, w, p);
  if (what == Class::growth) plan_growth(s, p);
  if (what == Class::sizes && s.below(4) == 0) w.kernel.setattr_error_percent = 15;
  if (what == Class::growth || s.below(4) == 0) w.kernel.apply_delay_us = 60 + s.below(1500);
  if (what == Class::slow) {  // the five-second rule
    p.think_us = 1'000'000;
    p.long_think_us = 8'000'000;
  }
}

// All nodes sync, then every byte is the same on all of them, and nothing is left behind.
class Ending {
 public:
  explicit Ending(World& world) : world_(world), scheduler_(world.scheduler()) {}

  void run() {
    for_each([this](NodeId n, Ino ino) { open_and_sync(n, ino); });
    if (!wait("a sync at the end does not return")) return;
    // What pins have kept is written and dropped now [N10].
    world_.settle(std::chrono::milliseconds(1));
    for_each([this](NodeId n, Ino ino) { sync(n, ino); });
    if (!wait("a second sync at the end does not return")) return;
    world_.run_until([this] { return world_.idle(); });
    for_each([this](NodeId n, Ino ino) { compare(n, ino); });
    if (!wait("a load at the end does not return")) return;
    for_each([this](NodeId n, Ino ino) { close_all(n, ino); });
    if (!wait("a close at the end does not return")) return;
    world_.settle(seconds(120));
    for_each([this](NodeId n, Ino ino) { look_inside(n, ino); });
    world_.compare_replicas();
  }

 private:
  void for_each(const std::function<void(NodeId, Ino)>& f) {
    for (std::uint32_t n = 1; n <= world_.nodes(); n++)
      for (const Ino ino : world_.objects()) f(NodeId(n), ino);
  }
  bool wait(const char* what) {
    if (world_.run_until([this] { return left_ == 0; })) return true;
    scheduler_.fail(what);
    return false;
  }
  void open_and_sync(NodeId n, Ino ino) {
    left_++;
    world_.open(n, ino, true, [=, this] {
      left_--;
      sync(n, ino);
    });
  }
  void sync(NodeId n, Ino ino) {
    left_++;
    const auto sync = world_.oracle().sync_begins(n, ino, 0, ~std::uint64_t{0});
    world_.kernel(n).msync(ino, 0, ~std::uint64_t{0}, [=, this](Status status) {
      if (status != Status::ok) scheduler_.fail("the last fsync was answered with an error");
      world_.oracle().sync_returned(sync);
      left_--;
    });
  }
  void compare(NodeId n, Ino ino) {
    const std::uint64_t size = world_.oracle().final_size(ino);
    left_++;
    world_.kernel(n).stat(ino, [=, this](std::uint64_t named) {
      if (named != size) scheduler_.fail("sizes differ at the end");
      left_--;
    });
    for (const std::uint64_t at : world_.oracle().all_places(ino)) {
      if (at >= size) continue;
      left_++;
      world_.kernel(n).load(ino, at, [=, this](std::optional<std::byte> value) {
        left_--;
        const std::byte want = world_.oracle().final_value(ino, at);
        if (value && *value == want) return;
        std::ostringstream out;
        out << "nodes differ at the end: n" << n << " o" << ino << " byte " << at << " is "
            << (value ? std::to_string(int(*value)) : "SIGBUS") << ", committed " << int(want);
        scheduler_.fail(out.str());
      });
    }
  }
  void close_all(NodeId n, Ino ino) {
    SimKernel& kernel = world_.kernel(n);
    for (const bool writable : {false, true}) {
      for (unsigned i = kernel.handles(ino, writable); i > 0; i--) {
        left_++;
        kernel.close(
            ino, writable, [](Status) {}, [this] { left_--; });
      }
    }
  }
  void look_inside(NodeId n, Ino ino) {
    const auto status = world_.node(n).object(ino);
    if (!status) return;
    if (status->staged_bytes != 0) scheduler_.fail("bytes are staged at the end");
    if (status->twins != 0) scheduler_.fail("twins are left after the last close");
    if (status->commits_in_flight != 0) scheduler_.fail("commits are in flight at the end");
  }

  World& world_;
  Scheduler& scheduler_;
  std::size_t left_ = 0;
};

void restart_after(World& world, Programs& programs, std::uint64_t us) {
  world.scheduler().after_us(us, [&world, &programs] {
    if (!programs.begun()) return restart_after(world, programs, 3000);
    if (programs.finished()) return;
    Scheduler& s = world.scheduler();
    const bool all = s.below(3) == 0;  // [L8]
    const auto one = std::uint32_t(1 + s.below(world.nodes()));
    for (std::uint32_t n = 1; n <= world.nodes(); n++) {
      if (!all && n != one) continue;
      world.restart(NodeId(n));
      programs.restarted(NodeId(n));
    }
  });
}

void disturb(World& world, Programs& programs, const SeedPlan& plan) {
  Scheduler& s = world.scheduler();
  const std::uint64_t length_us = plan.programs.think_us * 60;
  for (unsigned i = 0; i < plan.cuts; i++) {
    s.after_us(s.below(length_us), [&world, &s] {
      const auto a = std::uint32_t(s.below(world.nodes())), b = (a + 1) % world.nodes();
      world.net().cut(NodeId(a + 1), NodeId(b + 1), 1 + s.below(2000));
    });
  }
  for (unsigned i = 0; i < plan.restarts; i++)
    restart_after(world, programs, 3000 + s.below(length_us));
}

}  // namespace

SeedPlan plan(std::uint64_t seed) {
  Scheduler s(seed ^ 0x5EED);
  SeedPlan p;
  plan_world(s, p.world);
  plan_programs(s, class_of(seed), p.world, p.programs);
  p.cuts = s.below(3) ? 0 : unsigned(1 + s.below(5));
  Scheduler durable(seed ^ 0x4E91);
  p.world.replicas = unsigned(1 + durable.below(3));
  p.world.file_pools = durable.below(2) == 0;
  const unsigned crashes = durable.below(4) == 0 ? unsigned(1 + durable.below(4)) : 0;
  if (seed % 5 == 3) {  // [F4] what a pin keeps may then find no twin, long after
    p.world.limits.twins = 2 + seed % 7;
    p.programs.pin = 0;
  }
  p.restarts = crashes + (class_of(seed) == Class::restarts ? unsigned(1 + s.below(2)) : 0);
  return p;
}

RunResult run_seed(std::uint64_t seed, bool trace) {
  Scheduler scheduler(seed, trace);
  const SeedPlan p = plan(seed);
  World world(scheduler, p.world);
  Programs programs(world, p.programs);
  programs.start();
  disturb(world, programs, p);
  if (!world.run_until([&] { return programs.finished(); })) {
    std::string waiting;
    for (std::uint32_t n = 1; n <= world.nodes(); n++) {
      waiting += world.kernel(NodeId(n)).waiting();
      for (const auto& group : world.node(NodeId(n)).group_status()) {
        if (!group.trouble.empty())
          waiting += " n" + std::to_string(n) + " g" + std::to_string(group.group.value) + ": " +
                     group.trouble;
      }
    }
    scheduler.fail("programs do not end:" + waiting);
  }
  if (scheduler.failure().empty()) Ending(world).run();
  Totals t{.seeds = 1,
           .bad = !scheduler.failure().empty(),
           .steps = scheduler.steps(),
           .commits = world.oracle().commits,
           .loads = world.oracle().loads,
           .messages = world.net().messages(),
           .writes = programs.writes,
           .syncs = programs.syncs,
           .truncates = programs.truncates,
           .refetches = world.refetches(),
           .rewrites = world.rewrites()};
  return {scheduler.failure(), scheduler.hash(), t};
}

}  // namespace dspm::sim
