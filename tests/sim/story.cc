#include "tests/sim/story.h"

namespace dspm::sim {

namespace {
constexpr std::uint64_t kToEnd = ~std::uint64_t{0};
}

WorldOptions Story::calm() {
  WorldOptions o;
  o.nodes = 3;
  o.objects = 3;
  o.net.slow_percent = 0;
  o.net.fast_us = 5;
  o.job_us = 5;
  o.request_us = 3;
  o.kernel.write_delay_us = 1;
  return o;
}

Story::Story(bool trace, std::uint64_t size, WorldOptions options)
    : scheduler_(1, trace), world_(scheduler_, options) {
  for (const Ino ino : world_.objects())
    if (world_.home(ino) == GroupId(3)) ino_ = ino;
  run(500);
  for (const NodeId n : {n1, n2, n3}) open(n);
  if (size > 0) truncate(n3, size);
  run(5000);
}

void Story::run(std::uint64_t us) { world_.settle(std::chrono::microseconds(us)); }

void Story::wait(const PendingRef& pending) {
  if (!world_.run_until([&] { return pending->done; }, std::chrono::seconds(10)))
    fail("what was begun does not end");
}

std::string Story::end() { return scheduler_.failure(); }

PendingRef Story::begin_open(NodeId n) {
  auto p = std::make_shared<Pending>();
  world_.open(n, ino_, true, [p] { p->done = true; });
  return p;
}

void Story::open(NodeId n) { wait(begin_open(n)); }

void Story::close(NodeId n) {
  auto p = std::make_shared<Pending>();
  const auto sync = world_.oracle().sync_begins(n, ino_, 0, kToEnd);
  kernel(n).close(
      ino_, true, [this, sync](Status) { world_.oracle().sync_returned(sync); },
      [p] { p->done = true; });
  wait(p);
}

PendingRef Story::begin_load(NodeId n, std::uint64_t at) {
  auto p = std::make_shared<Pending>();
  const auto look = world_.oracle().look(n, ino_, at);
  kernel(n).load(ino_, at, [this, look, p](std::optional<std::byte> v) {
    world_.oracle().loaded(look, v);
    p->done = true;
  });
  return p;
}

std::optional<int> Story::load(NodeId n, std::uint64_t at) {
  auto p = std::make_shared<Pending>();
  std::optional<int> value;
  const auto look = world_.oracle().look(n, ino_, at);
  kernel(n).load(ino_, at, [&, look](std::optional<std::byte> v) {
    world_.oracle().loaded(look, v);
    if (v) value = int(*v);
    p->done = true;
  });
  wait(p);
  return value;
}

void Story::expect(NodeId n, std::uint64_t at, int value, const std::string& why) {
  const auto got = load(n, at);
  if (got != value)
    fail(why + ": byte " + std::to_string(at) + " is " +
         (got ? std::to_string(*got) : std::string("SIGBUS")) + ", not " + std::to_string(value));
}

PendingRef Story::begin_store(NodeId n, std::uint64_t at, int* stored) {
  auto p = std::make_shared<Pending>();
  const std::byte value = world_.oracle().new_value(n, ino_, at).value();
  if (stored) *stored = int(value);
  const auto may = [this, n, at, value](Generation copy) {
    const std::uint64_t told = std::max(world_.told(n, ino_), kernel(n).raised(ino_));
    world_.oracle().stored(n, ino_, at, value, copy, told);
    return true;
  };
  kernel(n).store({ino_, at, value, true, may}, [p](bool) { p->done = true; });
  return p;
}

int Story::store(NodeId n, std::uint64_t at) {
  int value = 0;
  wait(begin_store(n, at, &value));
  return value;
}

// The oracle knows each value once only: it is not asked.
void Story::store_again(NodeId n, std::uint64_t at, int value) {
  auto p = std::make_shared<Pending>();
  kernel(n).store({ino_, at, std::byte(value), false, [](Generation) { return true; }},
                  [p](bool) { p->done = true; });
  wait(p);
}

void Story::write_back(NodeId n, std::uint64_t page) {
  kernel(n).write_back(ino_, page);
  run(100);
}

Bytes Story::values(NodeId n, std::uint64_t at, std::uint64_t size, int* first) {
  Bytes bytes(size, kFiller);
  for (const std::uint64_t p : world_.oracle().places(ino_, at, at + size))
    bytes[p - at] = world_.oracle().new_value(n, ino_, p).value();
  if (first) *first = int(bytes[0]);
  return bytes;
}

Copied Story::copied(NodeId n, std::uint64_t at, const std::shared_ptr<Bytes>& bytes) {
  return [this, n, at, bytes](std::uint64_t from, std::uint64_t size) {
    for (const std::uint64_t p : world_.oracle().places(ino_, from, from + size))
      world_.oracle().copied(n, ino_, p, (*bytes)[p - at], world_.known_generation(n, ino_),
                             kToEnd);
  };
}

PendingRef Story::begin_write(NodeId n, std::uint64_t at, std::uint64_t size, int* value) {
  auto p = std::make_shared<Pending>();
  auto bytes = std::make_shared<Bytes>(values(n, at, size, value));
  kernel(n).write(
      ino_, at, [bytes](std::uint64_t) { return *bytes; }, copied(n, at, bytes),
      [this, p, n, at, size](Status) {
        world_.oracle().write_returned(n, ino_, at, at + size);
        p->done = true;
      });
  return p;
}

int Story::write(NodeId n, std::uint64_t at, std::uint64_t size) {
  int value = 0;
  wait(begin_write(n, at, size, &value));
  return value;
}

PendingRef Story::begin_direct_write(NodeId n, std::uint64_t at, std::uint64_t size, int* value) {
  auto p = std::make_shared<Pending>();
  auto bytes = std::make_shared<Bytes>(values(n, at, size, value));
  kernel(n).direct_write(ino_, at, *bytes, copied(n, at, bytes), [this, p, n, at, size](Status) {
    world_.oracle().write_returned(n, ino_, at, at + size);
    p->done = true;
  });
  return p;
}

PendingRef Story::begin_sync(NodeId n) {
  auto p = std::make_shared<Pending>();
  const auto sync = world_.oracle().sync_begins(n, ino_, 0, kToEnd);
  kernel(n).msync(ino_, 0, kToEnd, [this, p, sync](Status status) {
    if (status != Status::ok) fail("a sync was answered with an error");
    world_.oracle().sync_returned(sync);
    p->done = true;
  });
  return p;
}

void Story::sync(NodeId n) { wait(begin_sync(n)); }

PendingRef Story::begin_truncate(NodeId n, std::uint64_t size) {
  auto p = std::make_shared<Pending>();
  const auto records = world_.oracle().records(ino_);
  world_.oracle().truncate_begins(n, ino_, size);
  kernel(n).truncate(ino_, size, [this, p, n, size, records](Status) {
    world_.oracle().truncate_returned(n, ino_, size, records, false);
    p->done = true;
  });
  return p;
}

void Story::truncate(NodeId n, std::uint64_t size) { wait(begin_truncate(n, size)); }

PendingRef Story::begin_chmod(NodeId n) {
  auto p = std::make_shared<Pending>();
  kernel(n).chmod(ino_, [p] { p->done = true; });
  return p;
}

PendingRef Story::begin_stat(NodeId n) {
  auto p = std::make_shared<Pending>();
  const auto look = world_.oracle().size_look(n, ino_);
  kernel(n).stat(ino_, [this, look, p](std::uint64_t size) {
    world_.oracle().size_named(look, size);
    p->done = true;
  });
  return p;
}

std::uint64_t Story::stat(NodeId n) {
  wait(begin_stat(n));
  return kernel(n).size(ino_);
}

}  // namespace dspm::sim
