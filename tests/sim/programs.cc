#include "tests/sim/programs.h"

#include <algorithm>
#include <numeric>

namespace dspm::sim {

namespace {
constexpr std::uint64_t kToEnd = ~std::uint64_t{0};
}

Programs::Programs(World& world, const ProgramOptions& options)
    : world_(world), scheduler_(world.scheduler()), oracle_(world.oracle()), options_(options) {
  const auto& o = options_;
  operations_ = {{o.load, &Programs::load},
                 {o.store, &Programs::store},
                 {o.write, &Programs::write_some},
                 {o.whole, &Programs::write_pages},
                 {o.direct, &Programs::direct},
                 {o.sync, &Programs::sync},
                 {o.range_sync, &Programs::range_sync},
                 {o.truncate, &Programs::truncate},
                 {o.truncate_up, &Programs::truncate_up},
                 {o.append, &Programs::append},
                 {o.extend, &Programs::extend},
                 {o.chmod, &Programs::chmod},
                 {o.stat, &Programs::stat},
                 {o.reopen, &Programs::reopen},
                 {o.flusher, &Programs::flusher},
                 {o.evict, &Programs::evict},
                 {o.pin, &Programs::pin}};
  for (const auto& [weight, operation] : operations_) total_weight_ += weight;
}

// ---- life of the threads
void Programs::start() {
  running_ = 1;
  scheduler_.after_us(500, [this] { prepare(0); });
}

// One object after the other gets its first size, from some node.
void Programs::prepare(std::size_t object) {
  const auto objects = world_.objects();
  if (object == objects.size()) return begin();
  const Ino ino = objects[object];
  const NodeId node(std::uint32_t(1 + scheduler_.below(world_.nodes())));
  const auto life = world_.life(node);
  const auto more = [this, object] { prepare(object + 1); };
  if (options_.first_size == 0) return more();
  world_.open(node, ino, true, [=, this] {
    world_.kernel(node).truncate(ino, options_.first_size, [=, this](Status status) {
      if (status == Status::ok) {
        oracle_.truncate_returned(node, ino, options_.first_size, 0, true);
      }
      world_.kernel(node).close(
          ino, true, [](Status) {},
          [=, this] {
            if (world_.life(node) == life) more();
          });
    });
  });
}

void Programs::begin() {
  begun_ = true;
  running_ = 0;
  for (std::uint32_t n = 1; n <= world_.nodes(); n++)
    for (unsigned i = 0; i < options_.threads; i++) spawn(NodeId(n));
}

void Programs::spawn(NodeId node) {
  auto thread = std::make_shared<Thread>();
  threads_.push_back(thread);
  thread->node = node;
  thread->life = world_.life(node);
  thread->left = options_.operations;
  more(thread, 1);
  next(thread);
}

void Programs::more(const Handle& thread, int count) {
  if (gone(thread)) return;  // already counted off
  thread->running += std::size_t(count);
  running_ += std::size_t(count);
}

void Programs::restarted(NodeId node) {
  for (const Handle& t : threads_) {
    if (t->node != node) continue;
    running_ -= std::exchange(t->running, 0);
  }
  std::erase_if(threads_, [node](const Handle& t) { return t->node == node; });
  for (unsigned i = 0; i < options_.threads; i++) spawn(node);
}

// Where a node has died what waits for it may end with an error.
void Programs::failed(const std::string& what) {
  if (!world_.restarted()) scheduler_.fail(what);
}

Action Programs::then(const Handle& thread) {
  return [this, thread] { next(thread); };
}

void Programs::next(const Handle& thread) {
  const auto think = scheduler_.below(4) ? options_.think_us : options_.long_think_us;
  scheduler_.after_us(1 + scheduler_.below(think), [this, thread] { go(thread); });
}

void Programs::go(const Handle& thread) {
  if (gone(thread)) return;
  if (thread->left-- == 0) return finish(thread);
  const Ino ino = world_.objects()[choose(options_.object_weights)];
  if (!thread->open.contains(ino)) {
    const bool writable = !options_.some_read_only || scheduler_.percent(75);
    return world_.open(thread->node, ino, writable, [this, thread, ino, writable] {
      thread->open[ino] = writable;
      next(thread);
    });
  }
  std::uint64_t at = scheduler_.below(total_weight_);
  for (const auto& [weight, operation] : operations_) {
    if (at < weight) return (this->*operation)(thread, ino);
    at -= weight;
  }
}

// Half of the threads close what they opened.
void Programs::finish(const Handle& thread) {
  if (scheduler_.below(2)) return more(thread, -1);
  for (const auto& [ino, writable] : thread->open) {
    more(thread, 1);
    world_.kernel(thread->node)
        .close(
            ino, writable, [](Status) {}, [this, thread] { more(thread, -1); });
  }
  more(thread, -1);
}

std::uint64_t Programs::choose(const std::vector<unsigned>& weights) {
  const unsigned total = std::accumulate(weights.begin(), weights.end(), 0u);
  std::uint64_t at = scheduler_.below(total);
  for (std::size_t i = 0; i < weights.size(); i++) {
    if (at < weights[i]) return i;
    at -= weights[i];
  }
  return 0;
}

std::uint64_t Programs::a_page() { return choose(options_.page_weights) % world_.pages(); }

std::uint64_t Programs::a_place(Ino ino) {
  const std::uint64_t page = a_page();
  const auto places = oracle_.places(ino, page * kPageSize, (page + 1) * kPageSize);
  return places[scheduler_.below(places.size())];
}

// ---- loads and stores
void Programs::load(const Handle& t, Ino ino) {
  const std::uint64_t at = a_place(ino);
  SimKernel& kernel = world_.kernel(t->node);
  const auto look = oracle_.look(t->node, ino, at);
  kernel.load(ino, at, [=, this, &kernel](std::optional<std::byte> value) {
    if (gone(t)) return next(t);
    // A page that a pin has kept may be old until it has been dropped [N10].
    if (!kernel.kept(ino, at / kPageSize)) oracle_.loaded(look, value);
    next(t);
  });
}

void Programs::store(const Handle& t, Ino ino) {
  if (!t->open[ino]) return load(t, ino);
  const std::uint64_t at = a_place(ino);
  const auto value = oracle_.new_value(t->node, ino, at);
  if (!value) return next(t);
  SimKernel::Store store{.ino = ino, .offset = at, .value = *value, .beyond = false, .may = {}};
  store.may = [=, this](Generation copy) {
    if (gone(t) || oracle_.write_in_hand(t->node, ino, at)) return false;
    scheduler_.say("n", t->node, " stores ", int(*value), " at o", ino, " ", at);
    const SimKernel& kernel = world_.kernel(t->node);
    const std::uint64_t told = std::max(world_.told(t->node, ino), kernel.raised(ino));
    oracle_.stored(t->node, ino, at, *value, copy,
                   std::min(told, kernel.shrinking(ino).value_or(kToEnd)));
    return true;
  };
  world_.kernel(t->node).store(store, [=, this](bool) { next(t); });
}

// ---- write()
Bytes Programs::fill(NodeId node, Ino ino, std::uint64_t from, std::uint64_t size) {
  Bytes bytes(size, kFiller);
  for (const std::uint64_t at : oracle_.places(ino, from, from + size)) {
    const auto value = oracle_.new_value(node, ino, at);
    if (!value) return {};
    bytes[at - from] = *value;
  }
  return bytes;
}

void Programs::write(const Handle& t, Ino ino, std::optional<std::uint64_t> offset,
                     std::uint64_t size, bool direct) {
  if (!t->open[ino]) return stat(t, ino);
  SimKernel& kernel = world_.kernel(t->node);
  struct Written {
    std::uint64_t offset = 0;
    Bytes bytes;
  };
  auto w = std::make_shared<Written>();
  const auto make = [=, this](std::uint64_t at) {
    const std::uint64_t end = std::min(at + size, world_.pages() * kPageSize);
    w->offset = at;
    if (at < end && !gone(t)) w->bytes = fill(t->node, ino, at, end - at);
    return w->bytes;
  };
  const auto copied = [=, this, &kernel](std::uint64_t at, std::uint64_t n) {
    if (gone(t)) return;
    const Generation known = world_.known_generation(t->node, ino);
    scheduler_.say("n", t->node, " write()s o", ino, " ", at, "+", n);
    // A truncation elsewhere that is just being applied here may take it.
    // So may a mapped store that races with an O_DIRECT write: undefined, as between threads.
    const bool races = direct && kernel.dirty(ino, at / kPageSize);
    const std::uint64_t shrinking = races ? 0 : kernel.shrinking(ino).value_or(kToEnd);
    auto places = oracle_.places(ino, at, at + n);
    if (places.empty() || places.back() != at + n - 1) places.push_back(at + n - 1);
    for (const std::uint64_t p : places)
      oracle_.copied(t->node, ino, p, w->bytes[p - w->offset], known, shrinking);
  };
  const auto done = [=, this](Status status) {
    if (status != Status::ok) scheduler_.fail("write() was refused");
    if (!gone(t) && !w->bytes.empty())
      oracle_.write_returned(t->node, ino, w->offset, w->offset + w->bytes.size());
    next(t);
  };
  writes++;
  if (!direct) return kernel.write(ino, offset, make, copied, done);
  if (make(*offset).empty()) return next(t);
  kernel.direct_write(ino, *offset, w->bytes, copied, done);
}

void Programs::write_some(const Handle& t, Ino ino) {
  const std::uint64_t at = a_place(ino);
  if (at >= world_.kernel(t->node).size(ino)) return next(t);
  const std::uint64_t size = world_.kernel(t->node).size(ino) - at;
  write(t, ino, at,
        std::min<std::uint64_t>(size, 1 + scheduler_.below(scheduler_.below(3) ? 8 : 6000)), false);
}

void Programs::write_pages(const Handle& t, Ino ino) {
  const std::uint64_t page = a_page(), count = 1 + (scheduler_.below(4) ? 0 : scheduler_.below(3));
  if ((page + count) * kPageSize > world_.kernel(t->node).size(ino)) return next(t);
  write(t, ino, page * kPageSize, count * kPageSize, false);
}

void Programs::append(const Handle& t, Ino ino) {
  write(t, ino, std::nullopt, 1 + scheduler_.below(scheduler_.below(2) ? 200 : 5000), false);
}

void Programs::extend(const Handle& t, Ino ino) {
  const std::uint64_t size = world_.kernel(t->node).size(ino);
  const std::uint64_t at = size - std::min(size, scheduler_.below(5000)) + scheduler_.below(9000);
  write(t, ino, at, 1 + scheduler_.below(scheduler_.below(2) ? 100 : 8192), false);
}

// ---- O_DIRECT: 512-byte sectors
void Programs::direct(const Handle& t, Ino ino) {
  if (!t->open[ino] || scheduler_.below(3) == 0) return read_direct(t, ino);
  const std::uint64_t size = world_.kernel(t->node).size(ino);
  const bool whole = scheduler_.below(2);
  const std::uint64_t unit = whole ? kPageSize : 512;
  const std::uint64_t at = a_place(ino) / unit * unit;
  if (at + unit > size) return next(t);
  write(t, ino, at, unit, true);
}

// Its order to loads is not promised; what was never stored or is no longer valid must not come.
void Programs::read_direct(const Handle& t, Ino ino) {
  const std::uint64_t at = a_place(ino), from = at / 512 * 512;
  const auto look = oracle_.look(t->node, ino, at);
  world_.kernel(t->node).direct_read(ino, from, 512, [=, this](const Bytes& bytes) {
    const bool quiet = look.own == oracle_.look(t->node, ino, at).own && !look.in_hand;
    if (!gone(t) && at - from < bytes.size() && quiet)
      oracle_.loaded(look, bytes[at - from], false);
    next(t);
  });
}

// ---- what commits
void Programs::sync_range(const Handle& t, Ino ino, std::uint64_t first, std::uint64_t end) {
  syncs++;
  const auto sync = oracle_.sync_begins(t->node, ino, first * kPageSize,
                                        end == kToEnd ? kToEnd : end * kPageSize);
  world_.kernel(t->node).msync(ino, first, end, [=, this](Status status) {
    if (gone(t)) return next(t);
    if (status == Status::ok)
      oracle_.sync_returned(sync);
    else
      failed("fsync was answered with an error");
    next(t);
  });
}

void Programs::sync(const Handle& t, Ino ino) { sync_range(t, ino, 0, kToEnd); }

void Programs::range_sync(const Handle& t, Ino ino) {
  const std::uint64_t first = a_page();
  sync_range(t, ino, first, first + 1 + scheduler_.below(3));
}

void Programs::reopen(const Handle& t, Ino ino) {
  const bool writable = t->open[ino];
  const auto sync = oracle_.sync_begins(t->node, ino, 0, writable ? kToEnd : 0);
  SimKernel& kernel = world_.kernel(t->node);
  kernel.close(
      ino, writable,
      [=, this](Status status) {
        if (gone(t) || !writable) return;
        if (status == Status::ok)
          oracle_.sync_returned(sync);
        else
          failed("close was answered with an error");
      },
      [=, this, &kernel] {
        t->open.erase(ino);
        if (!gone(t) && scheduler_.below(2)) kernel.forget(ino);
        next(t);
      });
}

// ---- sizes and attributes
void Programs::truncate(const Handle& t, Ino ino) {
  const std::uint64_t most = world_.pages() * kPageSize;
  std::uint64_t size =
      scheduler_.below(4) ? a_place(ino) + scheduler_.below(2) : a_page() * kPageSize;
  if (scheduler_.below(3) == 0) size = most - scheduler_.below(3) * 100;
  set_size(t, ino, size);
}

// Not below what the kernel knows; often to the very size that it, or the home, has.
void Programs::truncate_up(const Handle& t, Ino ino) {
  const std::uint64_t most = world_.pages() * kPageSize;
  const std::uint64_t size =
      scheduler_.below(2) ? oracle_.final_size(ino) : world_.kernel(t->node).size(ino);
  set_size(t, ino, std::min(most, size + scheduler_.below(3) * scheduler_.below(5000)));
}

void Programs::set_size(const Handle& t, Ino ino, std::uint64_t size) {
  if (!t->open[ino]) return stat(t, ino);
  truncates++;
  const bool quiet = world_.quiet(t->node, ino);
  const auto jobs = world_.disturbances(t->node, ino);
  const auto records = oracle_.records(ino), foreign = oracle_.foreign_records(t->node, ino);
  oracle_.truncate_begins(t->node, ino, size);
  world_.kernel(t->node).truncate(ino, size, [=, this](Status status) {
    if (gone(t)) return next(t);
    if (status != Status::ok) {
      oracle_.truncate_failed(t->node, ino, size);
      return next(t);
    }
    // With nothing to invalidate or push here it is answered when all have learnt of it [1.14].
    const bool everywhere = quiet && jobs == world_.disturbances(t->node, ino) &&
                            foreign == oracle_.foreign_records(t->node, ino);
    oracle_.truncate_returned(t->node, ino, size, records, everywhere);
    next(t);
  });
}

void Programs::chmod(const Handle& t, Ino ino) {
  if (scheduler_.below(3)) return world_.kernel(t->node).chmod(ino, then(t));
  dsm::TimesRequest times{.ino = ino,
                          .times = {.mtime = scheduler_.wall(), .ctime = scheduler_.wall()}};
  world_.kernel(t->node).set_times(ino, times, then(t));
}

void Programs::stat(const Handle& t, Ino ino) {
  const auto look = oracle_.size_look(t->node, ino);
  world_.kernel(t->node).stat(ino, [=, this](std::uint64_t size) {
    if (!gone(t)) oracle_.size_named(look, size);
    next(t);
  });
}

// ---- what the kernel does by itself
void Programs::flusher(const Handle& t, Ino ino) {
  world_.kernel(t->node).write_back(ino, a_page());
  next(t);
}

void Programs::evict(const Handle& t, Ino ino) {
  world_.kernel(t->node).evict(ino, a_page());
  next(t);
}

void Programs::pin(const Handle& t, Ino ino) {
  world_.kernel(t->node).pin(ino, a_page());
  next(t);
}

}  // namespace dspm::sim
