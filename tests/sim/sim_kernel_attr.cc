// Sizes and attributes, handles, notifies.
#include <algorithm>

#include "tests/sim/sim_kernel.h"
#include "utils/base/check.h"

namespace dspm::sim {

using dsm::KernelAnswer;

namespace {
constexpr std::uint64_t kToEnd = ~std::uint64_t{0};
}

// ---- ranges of pages: one after the other, each under its lock
void SimKernel::walk(Inode& inode, Walk how, std::uint64_t from, std::uint64_t to, Action done) {
  const std::uint64_t first = from / kPageSize;
  const auto it = inode.pages.lower_bound(first);
  if (it == inode.pages.end() || it->first * kPageSize >= to) return done();
  const std::uint64_t page = it->first;
  walk_page(inode, how, from, page,
            [this, &inode, how, from = std::max(from, (page + 1) * kPageSize), to,
             done = std::move(done)] { walk(inode, how, from, to, done); });
}

void SimKernel::walk_page(Inode& inode, Walk how, std::uint64_t from, std::uint64_t page,
                          Action next) {
  Page& g = inode.pages[page];
  if (g.busy()) {
    g.waiting.push_back(
        [this, &inode, how, from, page, next] { walk_page(inode, how, from, page, next); });
    return;
  }
  if (g.state == Page::State::absent) return next();
  const bool passes = options_.before_6_16 && !g.dirty && g.writeback;
  if (passes || (!g.writeback && (!g.dirty || how == Walk::truncate))) {
    leave(inode, how, from, page);
    return next();
  }
  g.locked = true;  // nobody dirties it again until it has left
  const auto unlocked = [this, &inode, how, from, page, next] {
    inode.pages[page].locked = false;
    scheduler_.after_us(scheduler_.below(4), next);
    leave(inode, how, from, page);
  };
  const auto launder = [this, &inode, how, page, unlocked] {
    Page& h = inode.pages[page];
    if (!h.dirty || how == Walk::truncate) return unlocked();
    start_write_back(inode, page, 1);
    if (!h.writeback) return unlocked();
    h.waiting.push_back(unlocked);
  };
  if (!g.writeback) return launder();
  g.waiting.push_back(launder);
}

// The page is clean (or, to be truncated, need not be).
void SimKernel::leave(Inode& inode, Walk how, std::uint64_t from, std::uint64_t page) {
  Page& g = inode.pages[page];
  if (how == Walk::truncate && from > page * kPageSize) {  // the page of the cut stays
    std::fill(g.bytes->data.begin() + std::ptrdiff_t(from % kPageSize), g.bytes->data.end(),
              std::byte{});
    return wake(g);
  }
  if (how == Walk::drop && g.stored && (g.pinned || scheduler_.percent(options_.pin_percent))) {
    scheduler_.say("k", node_, " keeps o", inode.ino, " p", page, ": a pin will dirty it");
    g.pinned = false;
    g.kept = true;
    scheduler_.after_us(300, [this, ino = inode.ino, page] {
      if (kept(ino, page)) inodes_.at(ino).pages.at(page).dirty = true;
    });
    return wake(g);
  }
  scheduler_.say("k", node_, " drops o", inode.ino, " p", page);
  drop(inode, page);
}

// ---- SETATTR
// No WRITE is sent any more, and those that were are waited for.
void SimKernel::set_no_write(Inode& inode, Action ready) {
  inode.nowrite = true;
  if (inode.writes == 0) return ready();
  inode.nowrite_ready = std::move(ready);
}

void SimKernel::end_no_write(Inode& inode) {
  inode.nowrite = false;
  auto held = std::move(inode.held);
  inode.held.clear();
  for (auto& action : held) action();
}

void SimKernel::truncate(Ino ino, std::uint64_t size, std::function<void(Status)> done) {
  Inode& i = inode(ino);
  lock(i, [=, this, &i] {
    i.size_unstable++;
    set_no_write(i, [=, this, &i] { truncate_granted(i, size, done); });
  });
}

void SimKernel::truncate_granted(Inode& inode, std::uint64_t size,
                                 std::function<void(Status)> done) {
  scheduler_.say("k", node_, " SETATTR o", inode.ino, " size ", size);
  dsm::ResizeRequest resize{.ino = inode.ino, .size = size, .stamp = scheduler_.wall()};
  send(resize, [=, this, &inode](const KernelAnswer& a, Generation) {
    const auto* attr = std::get_if<dsm::AttrAnswer>(&a);
    if (attr == nullptr) return scheduler_.fail("SETATTR(size) was answered with an error");
    if (attr->size != size) scheduler_.fail("SETATTR(size) does not name its own size [Z9]");
    const Action finish = [this, &inode, done] {
      inode.size_unstable--;
      unlock(inode);
      done(Status::ok);
    };
    if (options_.setattr_error_percent > 0 && scheduler_.percent(options_.setattr_error_percent)) {
      return scheduler_.after_us(scheduler_.below(options_.setattr_delay_us),
                                 [=, this, &inode] { fail_truncate(inode, done); });
    }
    if (scheduler_.below(4) == 0) return setattr_answered(inode, attr->size, true, finish);
    scheduler_.after_us(scheduler_.below(options_.setattr_delay_us),
                        [this, &inode, finish] { setattr_attributes(inode, finish, true); });
  });
}

// Its commit is decided; the kernel hears of an error and has neither cut nor grown.
void SimKernel::fail_truncate(Inode& inode, const std::function<void(Status)>& done) {
  scheduler_.say("k", node_, " o", inode.ino, " SETATTR answered with an error");
  send(dsm::SetattrAnswered{.ino = inode.ino, .ctime = {}}, nullptr);
  inode.size_unstable--;
  end_no_write(inode);
  unlock(inode);
  done(Status::unknown);
}

void SimKernel::chmod(Ino ino, Action done) {
  Inode& i = inode(ino);
  lock(i, [this, &i, done = std::move(done)] {
    scheduler_.say("k", node_, " SETATTR o", i.ino, " mode");
    setattr_attributes(
        i,
        [this, &i, done] {
          unlock(i);
          done();
        },
        false);
  });
}

void SimKernel::set_times(Ino ino, dsm::TimesRequest request, Action done) {
  Inode& i = inode(ino);
  lock(i, [this, &i, request, done = std::move(done)] {
    scheduler_.say("k", node_, " SETATTR o", i.ino, " times");
    send(request, [this, &i, done](const KernelAnswer& a, Generation) {
      if (std::get<dsm::PlainAnswer>(a).status != Status::ok)
        return scheduler_.fail("SETATTR(times) was answered with an error");
      setattr_attributes(
          i,
          [this, &i, done] {
            unlock(i);
            done();
          },
          false);
    });
  });
}

void SimKernel::setattr_attributes(Inode& inode, Action done, bool truncating) {
  send(dsm::AttrRequest{.ino = inode.ino, .setattr = true},
       [this, &inode, truncating, done = std::move(done)](const KernelAnswer& a, Generation) {
         const auto* attr = std::get_if<dsm::AttrAnswer>(&a);
         if (attr == nullptr) return scheduler_.fail("attributes were answered with an error");
         setattr_answered(inode, attr->size, truncating, done);
       });
}

// The answer is on its way; the caller's thread applies it later, whatever has happened since.
void SimKernel::setattr_answered(Inode& inode, std::uint64_t size, bool truncating, Action done) {
  WallTime& named = named_ctimes_[inode.ino];
  named.ns = std::max(scheduler_.wall().ns, named.ns + 1);
  const WallTime ctime = named;
  send(dsm::SetattrAnswered{.ino = inode.ino, .ctime = ctime}, nullptr);
  const auto delay =
      scheduler_.below(scheduler_.percent(options_.late_percent) ? options_.apply_delay_us : 5);
  scheduler_.after_us(delay, [this, &inode, size, truncating, ctime, done = std::move(done)] {
    const std::uint64_t old = inode.size;
    scheduler_.say("k", node_, " o", inode.ino, " SETATTR applied: size ", old, " -> ", size);
    inode.attr_version = ++attr_version_;
    inode.ctime = std::max(inode.ctime, ctime);
    inode.size = size;
    inode.raised = std::min(inode.raised, size);
    if (truncating) end_no_write(inode);
    if (old == size) return done();
    walk(inode, Walk::truncate, size, kToEnd, [this, &inode, done] {
      walk(inode, Walk::drop, 0, kToEnd, done);  // invalidate_inode_pages2
    });
  });
}

// ---- GETATTR, LOOKUP, handles
void SimKernel::stat(Ino ino, std::function<void(std::uint64_t)> done) {
  Inode& i = inode(ino);
  i.users++;
  send(dsm::AttrRequest{.ino = ino}, [this, &i, version = attr_version_, done = std::move(done)](
                                         const KernelAnswer& a, Generation) {
    const auto* attr = std::get_if<dsm::AttrAnswer>(&a);
    if (attr == nullptr) return scheduler_.fail("GETATTR was answered with an error");
    const std::uint64_t size = attr->size;
    scheduler_.after_us(
        scheduler_.below(scheduler_.percent(options_.late_percent) ? options_.apply_delay_us : 3),
        [=, this, &i] {
          apply_getattr(i, version, size, [&i, size, done] {
            i.users--;
            done(size);
          });
        });
  });
}

// Void where something newer is known, or an extending write() or a SETATTR(size) is in hand.
void SimKernel::apply_getattr(Inode& inode, std::uint64_t version, std::uint64_t size,
                              Action done) {
  if (inode.attr_version > version || inode.size_unstable > 0) return done();
  inode.attr_version = ++attr_version_;
  const std::uint64_t old = std::exchange(inode.size, size);
  inode.raised = std::min(inode.raised, size);
  if (old == size) return done();
  scheduler_.say("k", node_, " o", inode.ino, " GETATTR applied: size ", old, " -> ", size);
  inode.shrinking.insert(size);
  walk(inode, Walk::truncate, size, kToEnd, [&inode, size, done = std::move(done)] {
    inode.shrinking.erase(inode.shrinking.find(size));
    done();
  });
}

void SimKernel::lookup(Ino ino, Action done) {
  lookups_[ino]++;
  send(dsm::AttrRequest{.ino = ino}, [this, ino, version = attr_version_, done = std::move(done)](
                                         const KernelAnswer& a, Generation) {
    const auto* attr = std::get_if<dsm::AttrAnswer>(&a);
    if (attr == nullptr) return scheduler_.fail("LOOKUP was answered with an error");
    scheduler_.after_us(
        scheduler_.below(scheduler_.percent(options_.late_percent) ? options_.apply_delay_us : 3),
        [=, this, size = attr->size] { instantiate(ino, version, size, done); });
  });
}

// The caller's thread makes the inode, or finds it and takes the answer as a GETATTR's.
void SimKernel::instantiate(Ino ino, std::uint64_t version, std::uint64_t size, Action done) {
  lookups_[ino]--;
  const auto [it, fresh] = inodes_.try_emplace(ino);
  Inode& i = it->second;
  if (!fresh) return apply_getattr(i, version, size, std::move(done));
  scheduler_.say("k", node_, " o", ino, " has an inode: size ", size);
  i.ino = ino;
  i.size = size;
  i.ctime = named_ctimes_[ino];
  i.attr_version = ++attr_version_;
  done();
}

void SimKernel::open(Ino ino, bool writable, Action done) {
  Inode& i = inode(ino);
  if (writable && i.writers == 0)
    for (auto& [p, g] : i.pages) g.stored = false;
  (writable ? i.writers : i.readers)++;
  scheduler_.say("k", node_, " OPEN o", ino, writable ? " to write" : " to read");
  i.handles[writable].push_back(++last_handle_);
  send(dsm::OpenRequest{.ino = ino, .writable = writable, .handle = last_handle_},
       [this, done = std::move(done)](const KernelAnswer& a, Generation) {
         if (std::get<dsm::PlainAnswer>(a).status != Status::ok)
           return scheduler_.fail("OPEN was answered with an error");
         done();
       });
}

// close and munmap of a handle: its dirty pages are written, FLUSH, and later RELEASE.
void SimKernel::close(Ino ino, bool writable, std::function<void(Status)> flushed,
                      Action released) {
  Inode& i = inode(ino);
  const std::uint64_t handle = i.handles[writable].back();
  i.handles[writable].pop_back();
  const Action release = [this, &i, ino, writable, handle, released = std::move(released)] {
    scheduler_.say("k", node_, " RELEASE o", ino);
    (writable ? i.writers : i.readers)--;
    if (i.writers == 0)  // no mapping is left that a pin could write through
      for (auto& [p, g] : i.pages) g.stored = g.pinned = false;
    send(dsm::ReleaseRequest{.ino = ino, .writable = writable, .handle = handle},
         [released](const KernelAnswer&, Generation) { released(); });
  };
  if (!writable) {
    flushed(Status::ok);
    return release();
  }
  flush(i, 0, kToEnd, [=, this, &i] {
    scheduler_.say("k", node_, " FLUSH o", ino);
    const dsm::SyncRequest sync{.ino = ino, .handle = handle, .flush = true};
    send(sync, [=, this, &i](const KernelAnswer& a, Generation) {
      flushed(std::get<dsm::PlainAnswer>(a).status);
      flush(i, 0, kToEnd, release);
    });
  });
}

bool SimKernel::forget(Ino ino) {
  const auto it = inodes_.find(ino);
  if (it == inodes_.end() || lookups_[ino] > 0) return false;
  const Inode& i = it->second;
  if (i.readers + i.writers > 0 || i.users > 0 || i.locked || i.writes > 0) return false;
  for (const auto& [p, g] : i.pages)
    if (g.busy() || g.dirty || g.writeback || g.in_hand > 0 || !g.waiting.empty()) return false;
  scheduler_.say("k", node_, " FORGET o", ino);
  inodes_.erase(it);
  send(dsm::Forgotten{ino}, nullptr);
  return true;
}

// ---- notifies
void SimKernel::run(const dsm::Job& job, std::function<void(bool)> done) {
  const auto it = inodes_.find(job.ino);
  if (it == inodes_.end()) return done(false);  // ENOENT
  Inode& i = it->second;
  if (job.after_ctime && i.ctime < *job.after_ctime) {
    scheduler_.after_us(50, [this, job, done = std::move(done)] { run(job, done); });
    return;
  }
  const std::uint64_t end = job.length == 0 ? kToEnd : job.offset + job.length;
  const Action finish = [&i, done = std::move(done)] {
    i.users--;
    done(true);
  };
  i.users++;
  i.attr_version = ++attr_version_;
  switch (job.kind) {
    case dsm::Job::Kind::void_attrs:
      return finish();
    case dsm::Job::Kind::drop:
      return walk(i, Walk::drop, job.offset, end, finish);
    case dsm::Job::Kind::raise_size:
      scheduler_.say("k", node_, " o", job.ino, " size raised ", i.size, " -> ", job.size);
      i.size = std::max(i.size, job.size);
      if (job.offset < job.size && known_generation) {
        i.raised = job.size;
        i.raised_under = known_generation(i.ino);
      }
      scheduler_.after_us(scheduler_.below(10), [this, &i, job, end, finish] {
        i.attr_version = ++attr_version_;
        walk(i, Walk::drop, job.offset, end, finish);
      });
      return;
    case dsm::Job::Kind::shrink:
      i.shrinking.insert(job.size);
      return walk(i, Walk::drop, job.offset, end, [this, &i, job, finish] {
        stat(job.ino, [&i, job, finish](std::uint64_t) {
          i.shrinking.erase(i.shrinking.find(job.size));
          finish();
        });
      });
  }
}

}  // namespace dspm::sim
