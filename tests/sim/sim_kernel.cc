// Requests, locks, faults, loads, stores, write-back.
#include "tests/sim/sim_kernel.h"

#include <algorithm>

#include "utils/base/check.h"

namespace dspm::sim {

using dsm::KernelAnswer;

SimKernel::SimKernel(Scheduler& scheduler, NodeId node, KernelOptions options, ToDaemon to_daemon)
    : scheduler_(scheduler), node_(node), options_(options), to_daemon_(std::move(to_daemon)) {}

SimKernel::Inode& SimKernel::inode(Ino ino) {
  const auto it = inodes_.find(ino);
  DSPM_CHECK(it != inodes_.end(), ino);
  return it->second;
}

void SimKernel::send(dsm::KernelEvent event, Answered answered, Bytes payload) {
  const std::uint64_t unique = ++last_unique_;
  static constexpr const char* kNames[] = {
      "READ",          "WRITE",          "OPEN",       "RELEASE", "FSYNC",
      "SETATTR(size)", "SETATTR(times)", "attributes", "FORGET",  "SETATTR answered"};
  const Ino ino = std::visit([](const auto& e) { return e.ino; }, event);
  const char* name = kNames[event.index()];
  std::visit(
      [&](auto& e) {
        if constexpr (requires { e.unique; }) e.unique = Unique(unique);
      },
      event);
  if (answered) pending_.emplace(unique, Pending{ino, name, std::move(answered)});
  to_daemon_(std::move(event), std::move(payload));
}

void SimKernel::answer(const KernelAnswer& answer, Generation known) {
  const Unique unique = std::visit([](const auto& a) { return a.unique; }, answer);
  const auto it = pending_.find(unique.value);
  if (it == pending_.end()) {
    scheduler_.fail("a request was answered twice, or never was");
    return;
  }
  const Answered answered = std::move(it->second.answered);
  pending_.erase(it);
  answered(answer, known);
}

Ino SimKernel::object_of(const KernelAnswer& answer) const {
  const Unique unique = std::visit([](const auto& a) { return a.unique; }, answer);
  const auto it = pending_.find(unique.value);
  return it == pending_.end() ? Ino() : it->second.ino;
}

std::string SimKernel::waiting() const {
  std::ostringstream out;
  for (const auto& [unique, p] : pending_)
    out << " n" << node_ << " " << p.what << " o" << p.ino << ";";
  for (const auto& [ino, i] : inodes_) {
    if (i.nowrite) out << " k" << node_ << " o" << ino << " nowrite;";
    for (const auto& [p, g] : i.pages)
      if (g.busy() || g.writeback)
        out << " k" << node_ << " o" << ino << " p" << p
            << (g.locked      ? " locked"
                : g.writeback ? " under write-back"
                              : " reading")
            << ";";
  }
  return out.str();
}

void SimKernel::wake(Page& page) {
  auto waiting = std::move(page.waiting);
  page.waiting.clear();
  for (auto& action : waiting) scheduler_.after_us(scheduler_.below(3), std::move(action));
}

void SimKernel::lock(Inode& inode, Action locked) {
  if (inode.locked) {
    inode.lock_queue.push_back(std::move(locked));
    return;
  }
  inode.locked = true;
  locked();
}

void SimKernel::unlock(Inode& inode) {
  if (inode.lock_queue.empty()) {
    inode.locked = false;
    return;
  }
  auto next = std::move(inode.lock_queue.front());
  inode.lock_queue.pop_front();
  scheduler_.after_us(1, std::move(next));
}

// READ of the page and of what read-ahead adds; MADV_RANDOM: of the page alone.
void SimKernel::fault(Inode& inode, std::uint64_t page) {
  const std::uint64_t end = (inode.size + kPageSize - 1) / kPageSize;
  const std::uint64_t most = scheduler_.below(2) ? 1 : options_.read_ahead;
  std::uint64_t count = 0;
  while (count < most && page + count < std::max(end, page + 1)) {
    Page& g = inode.pages[page + count];
    if (g.state != Page::State::absent || g.locked || g.writeback) break;
    g.state = Page::State::reading;
    count++;
  }
  scheduler_.say("k", node_, " READ o", inode.ino, " p", page, "+", count);
  dsm::ReadRequest read{
      .ino = inode.ino, .offset = page * kPageSize, .size = std::uint32_t(count * kPageSize)};
  send(read, [this, &inode, page, count, version = attr_version_](const KernelAnswer& a,
                                                                  Generation known) {
    read_done(inode, page, count, version, a, known);
  });
}

// A short answer lowers the size, unless it is known to be newer; what it lacks is zeros.
void SimKernel::read_done(Inode& inode, std::uint64_t first, std::uint64_t count,
                          std::uint64_t version, const KernelAnswer& answer, Generation known) {
  const auto* data = std::get_if<dsm::ReadAnswer>(&answer);
  if (data == nullptr) {
    scheduler_.fail("a READ was answered with an error");
    return;
  }
  const std::uint64_t end = first * kPageSize + data->size;
  if (data->size < count * kPageSize && end < inode.size && inode.attr_version <= version &&
      inode.size_unstable == 0) {
    scheduler_.say("k", node_, " o", inode.ino, " short READ: size ", end);
    inode.size = end;
    inode.attr_version = ++attr_version_;
  }
  if (data->skip != 0 || data->size % kPageSize != 0)
    scheduler_.fail("a READ was not answered in whole pages [2-kernel rule 10]");
  for (std::uint64_t i = 0; i < count; i++) {
    Page& g = inode.pages[first + i];
    g.state = Page::State::cached;
    g.dirty = g.mapped = g.kept = g.stored = false;
    g.generation = known;
    const bool given = (i + 1) * kPageSize <= data->size;
    g.bytes = given ? copy_page(*data->pages.at(i)) : new_zero_page();
    wake(g);
  }
}

void SimKernel::load(Ino ino, std::uint64_t offset,
                     std::function<void(std::optional<std::byte>)> done) {
  Inode& i = inode(ino);
  const std::uint64_t page = offset / kPageSize;
  Page& g = i.pages[page];
  if (g.state == Page::State::cached && !g.locked && (g.mapped || page * kPageSize < i.size)) {
    g.mapped = true;
    return done(g.bytes->data[offset % kPageSize]);
  }
  if (page * kPageSize >= i.size) return done(std::nullopt);
  g.waiting.push_back([this, ino, offset, done = std::move(done)] { load(ino, offset, done); });
  if (g.state == Page::State::absent && !g.locked && !g.writeback) fault(i, page);
}

void SimKernel::store(Store s, std::function<void(bool)> done) {
  Inode& i = inode(s.ino);
  const std::uint64_t page = s.offset / kPageSize;
  Page& g = i.pages[page];
  const std::uint64_t end = s.beyond ? page * kPageSize : s.offset;
  if (end >= i.size) return done(false);  // SIGBUS, or beyond the end: not tried
  if (g.state == Page::State::cached && !g.locked && !g.writeback) {
    const bool may = s.may(g.generation);
    if (may) {
      g.bytes->data[s.offset % kPageSize] = s.value;
      g.dirty = g.mapped = g.stored = true;
    }
    return done(may);
  }
  g.waiting.push_back([this, s, done = std::move(done)] { store(s, done); });
  if (g.state == Page::State::absent && !g.locked && !g.writeback) fault(i, page);
}

// The pages are dirty, not locked, not under write-back.
void SimKernel::start_write_back(Inode& inode, std::uint64_t first, std::uint64_t count) {
  Bytes bytes;
  for (std::uint64_t p = first; p < first + count; p++) {
    Page& g = inode.pages[p];
    g.dirty = false;
    g.writeback = true;
    if (g.in_hand > 0 && leaking) leaking(inode.ino, p);
    bytes.insert(bytes.end(), g.bytes->data.begin(), g.bytes->data.end());
  }
  if (inode.nowrite) {
    inode.held.push_back([this, &inode, first, count, bytes = std::move(bytes)]() mutable {
      send_write_back(inode, first, count, std::move(bytes));
    });
    return;
  }
  send_write_back(inode, first, count, std::move(bytes));
}

// Cropped at the size of now; with nothing left there is no WRITE.
void SimKernel::send_write_back(Inode& inode, std::uint64_t first, std::uint64_t count,
                                Bytes bytes) {
  const std::uint64_t from = first * kPageSize;
  if (from >= inode.size) return write_back_done(inode, first, count);
  if (from + bytes.size() > inode.size) bytes.resize(inode.size - from);
  scheduler_.say("k", node_, " WRITE o", inode.ino, " p", first, "+", count, " bytes ",
                 bytes.size());
  inode.writes++;
  dsm::WriteRequest write{
      .ino = inode.ino, .offset = from, .mapped = true, .stamp = scheduler_.wall()};
  send(
      write,
      [this, &inode, first, count](const KernelAnswer& a, Generation) {
        if (std::get<dsm::PlainAnswer>(a).status != Status::ok)
          scheduler_.fail("a mapped WRITE was refused [2-kernel rule 2]");
        inode.writes--;
        write_back_done(inode, first, count);
        if (inode.writes == 0 && inode.nowrite_ready) std::exchange(inode.nowrite_ready, nullptr)();
      },
      std::move(bytes));
}

void SimKernel::write_back_done(Inode& inode, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t p = first; p < first + count; p++) {
    Page& g = inode.pages[p];
    g.writeback = false;
    wake(g);
  }
}

// `done` once what is dirty now has been written and answered.
void SimKernel::clean(Inode& inode, std::uint64_t page, Action done) {
  Page& g = inode.pages[page];
  if (!g.dirty && !g.writeback) return done();
  if (g.dirty && !g.writeback && !g.locked) start_write_back(inode, page, 1);
  if (!g.dirty && !g.writeback) return done();
  g.waiting.push_back([this, &inode, page, done = std::move(done)] { clean(inode, page, done); });
}

void SimKernel::flush(Inode& inode, std::uint64_t first, std::uint64_t end, Action done) {
  std::vector<std::uint64_t> busy;
  std::uint64_t run = 0, length = 0;
  const auto send_run = [&] {
    if (length > 0) start_write_back(inode, run, length);
    length = 0;
  };
  for (auto it = inode.pages.lower_bound(first); it != inode.pages.end() && it->first < end; ++it) {
    const auto& [p, g] = *it;
    if (g.dirty || g.writeback) busy.push_back(p);
    if (!g.dirty || g.writeback || g.locked) continue;
    if (length > 0 && (run + length != p || length >= options_.joined_writes)) send_run();
    if (length == 0) run = p;
    length++;
  }
  send_run();
  auto left = std::make_shared<std::size_t>(busy.size() + 1);
  const Action one = [left, done = std::move(done)] {
    if (--*left == 0) done();
  };
  for (const std::uint64_t p : busy) {
    Page& g = inode.pages[p];
    if (g.writeback)
      g.waiting.push_back([this, &inode, p, one] {
        // A store may have dirtied it again: not this flush's business.
        inode.pages[p].writeback ? clean(inode, p, one) : one();
      });
    else
      clean(inode, p, one);
  }
  one();
}

void SimKernel::write_back(Ino ino, std::uint64_t page) {
  Inode& i = inode(ino);
  Page& g = i.pages[page];
  if (g.dirty && !g.writeback && !g.locked) start_write_back(i, page, 1);
}

void SimKernel::evict(Ino ino, std::uint64_t page) {
  Inode& i = inode(ino);
  Page& g = i.pages[page];
  if (g.state != Page::State::cached || g.dirty || g.writeback || g.locked || g.in_hand > 0) return;
  if (g.pinned || g.kept) return;
  scheduler_.say("k", node_, " evicts o", ino, " p", page);
  drop(i, page);
}

void SimKernel::drop(Inode& inode, std::uint64_t page) {
  Page& g = inode.pages[page];
  g.state = Page::State::absent;
  g.dirty = g.mapped = g.kept = g.pinned = g.stored = false;
  g.bytes.reset();
  wake(g);
}

std::uint64_t SimKernel::size(Ino ino) const {
  const auto it = inodes_.find(ino);
  return it == inodes_.end() ? 0 : it->second.size;
}

unsigned SimKernel::handles(Ino ino, bool writable) const {
  const auto it = inodes_.find(ino);
  if (it == inodes_.end()) return 0;
  return writable ? it->second.writers : it->second.readers;
}

bool SimKernel::cached(Ino ino, std::uint64_t page) const {
  const auto it = inodes_.find(ino);
  if (it == inodes_.end() || !it->second.pages.contains(page)) return false;
  return it->second.pages.at(page).state == Page::State::cached;
}

bool SimKernel::dirty(Ino ino, std::uint64_t page) const {
  return cached(ino, page) && inodes_.at(ino).pages.at(page).dirty;
}

bool SimKernel::kept(Ino ino, std::uint64_t page) const {
  return cached(ino, page) && inodes_.at(ino).pages.at(page).kept;
}

void SimKernel::pin(Ino ino, std::uint64_t page) {
  if (cached(ino, page)) inode(ino).pages[page].pinned = true;
}

std::optional<std::uint64_t> SimKernel::shrinking(Ino ino) const {
  const auto it = inodes_.find(ino);
  if (it == inodes_.end() || it->second.shrinking.empty()) return std::nullopt;
  return *it->second.shrinking.begin();
}

std::uint64_t SimKernel::raised(Ino ino) const {
  const auto it = inodes_.find(ino);
  if (it == inodes_.end() || !known_generation) return 0;
  if (known_generation(ino) != it->second.raised_under) return 0;
  return std::min(it->second.raised, it->second.size);
}

std::size_t SimKernel::cached_pages() const {
  std::size_t n = 0;
  for (const auto& [ino, i] : inodes_)
    for (const auto& [p, g] : i.pages) n += g.state == Page::State::cached;
  return n;
}

}  // namespace dspm::sim
