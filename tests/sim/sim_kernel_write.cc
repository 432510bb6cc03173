// write(), O_DIRECT, msync.
#include <algorithm>
#include <cstring>

#include "tests/sim/sim_kernel.h"
#include "utils/base/check.h"

namespace dspm::sim {

using dsm::KernelAnswer;

struct SimKernel::WriteCall {
  Inode* inode = nullptr;
  std::uint64_t offset = 0, at = 0;  // start of all, of the next batch
  std::uint64_t copy = 0;            // copied up to here in this batch
  Bytes bytes;
  Copied copied;
  std::function<void(Status)> done;
  bool extending = false;
  std::uint64_t end() const { return offset + bytes.size(); }
};

void SimKernel::write(Ino ino, std::optional<std::uint64_t> offset,
                      std::function<Bytes(std::uint64_t)> make, Copied copied,
                      std::function<void(Status)> done) {
  Inode& i = inode(ino);
  lock(i, [=, this, &i] {
    auto call = std::make_shared<WriteCall>();
    call->inode = &i;
    call->offset = call->at = call->copy = offset.value_or(i.size);
    call->bytes = make(call->offset);
    call->copied = copied;
    call->done = done;
    if (call->bytes.empty()) {
      unlock(i);
      return done(Status::ok);
    }
    if (call->end() > i.size) {
      call->extending = true;
      i.size_unstable++;
    }
    write_batch(call);
  });
}

// Copies page by page. A page that is up to date, or becomes so by being covered, is unlocked at
// once; one of which a part is copied stays locked, ends the batch, and is not up to date after it.
void SimKernel::write_batch(const std::shared_ptr<WriteCall>& call) {
  Inode& i = *call->inode;
  bool last = false;
  while (call->copy < call->end() && !last) {
    const std::uint64_t at = call->copy, page = at / kPageSize;
    const std::uint64_t n = std::min(kPageSize - at % kPageSize, call->end() - at);
    Page& g = i.pages[page];
    if (g.busy() || g.writeback) {
      g.waiting.push_back([this, call] { write_batch(call); });
      return;
    }
    if (g.state == Page::State::absent && n == kPageSize) {
      g.state = Page::State::cached;
      g.bytes = new_zero_page();
      g.dirty = g.mapped = g.kept = g.stored = false;
      g.generation = known_generation ? known_generation(i.ino) : Generation();
    }
    if (g.state == Page::State::cached) {
      std::memcpy(g.bytes->data.data() + at % kPageSize, call->bytes.data() + (at - call->offset),
                  n);
    } else {
      g.locked = true;
      last = true;
    }
    g.in_hand++;
    call->copied(at, n);
    call->copy += n;
  }
  const std::uint64_t from = call->at, to = call->copy;
  scheduler_.after_us(scheduler_.below(options_.write_delay_us),
                      [this, call, from, to] { send_batch(call, from, to); });
}

void SimKernel::send_batch(const std::shared_ptr<WriteCall>& call, std::uint64_t from,
                           std::uint64_t to) {
  scheduler_.say("k", node_, " write() WRITE o", call->inode->ino, " ", from, "+", to - from);
  dsm::WriteRequest write{.ino = call->inode->ino, .offset = from, .stamp = scheduler_.wall()};
  const auto first = call->bytes.begin() + std::ptrdiff_t(from - call->offset);
  send(
      write,
      [this, call, from, to](const KernelAnswer& a, Generation) {
        const Status status = std::get<dsm::PlainAnswer>(a).status;
        scheduler_.after_us(scheduler_.below(4),
                            [this, call, from, to, status] { batch_done(call, from, to, status); });
      },
      Bytes(first, first + std::ptrdiff_t(to - from)));
}

void SimKernel::batch_done(const std::shared_ptr<WriteCall>& call, std::uint64_t from,
                           std::uint64_t to, Status status) {
  Inode& i = *call->inode;
  if (status == Status::ok) grown(i, to);
  for (std::uint64_t p = from / kPageSize; p * kPageSize < to; p++) {
    Page& g = i.pages[p];
    g.in_hand--;
    if (g.state == Page::State::absent) g.locked = false;
    wake(g);
  }
  call->at = to;
  if (status == Status::ok && to < call->end()) return write_batch(call);
  if (call->extending) i.size_unstable--;
  unlock(i);
  call->done(status);
}

void SimKernel::grown(Inode& inode, std::uint64_t end) {
  inode.attr_version = ++attr_version_;
  inode.size = std::max(inode.size, end);
}

// Pages are written back and dropped before, and dropped again after.
void SimKernel::direct_write(Ino ino, std::uint64_t offset, Bytes bytes, Copied copied,
                             std::function<void(Status)> done) {
  Inode& i = inode(ino);
  const std::uint64_t end = offset + bytes.size();
  lock(i, [=, this, &i] {
    walk(i, Walk::drop, offset, end, [=, this, &i] {
      copied(offset, bytes.size());
      scheduler_.after_us(scheduler_.below(options_.write_delay_us), [=, this, &i] {
        scheduler_.say("k", node_, " O_DIRECT WRITE o", ino, " ", offset, "+", bytes.size());
        dsm::WriteRequest write{
            .ino = ino, .offset = offset, .direct = true, .stamp = scheduler_.wall()};
        send(
            write,
            [=, this, &i](const KernelAnswer& a, Generation) {
              const Status status = std::get<dsm::PlainAnswer>(a).status;
              scheduler_.after_us(scheduler_.below(20), [=, this, &i] {
                if (status == Status::ok) grown(i, end);
                walk(i, Walk::drop, offset, end, [=, this, &i] {
                  unlock(i);
                  done(status);
                });
              });
            },
            bytes);
      });
    });
  });
}

void SimKernel::direct_read(Ino ino, std::uint64_t offset, std::uint32_t size,
                            std::function<void(Bytes)> done) {
  Inode& i = inode(ino);
  if (offset >= i.size) return done({});
  flush(i, offset / kPageSize, (offset + size + kPageSize - 1) / kPageSize, [=, this] {
    scheduler_.say("k", node_, " O_DIRECT READ o", ino, " ", offset, "+", size);
    dsm::ReadRequest read{.ino = ino, .offset = offset, .size = size, .direct = true};
    send(read, [=, this](const KernelAnswer& a, Generation) {
      const auto* data = std::get_if<dsm::ReadAnswer>(&a);
      if (data == nullptr) return scheduler_.fail("an O_DIRECT READ was answered with an error");
      Bytes bytes;
      for (std::uint64_t n = 0; n < data->size; n++) {
        const std::uint64_t at = data->skip + n;
        bytes.push_back(data->pages.at(at / kPageSize)->data[at % kPageSize]);
      }
      done(std::move(bytes));
    });
  });
}

// WRITE of the range's dirty pages, then FSYNC, which knows no range.
void SimKernel::msync(Ino ino, std::uint64_t first, std::uint64_t end,
                      std::function<void(Status)> done) {
  Inode& i = inode(ino);
  lock(i, [=, this, &i] {
    flush(i, first, end, [=, this, &i] {
      scheduler_.say("k", node_, " FSYNC o", ino);
      const auto& handles = i.handles[i.handles[1].empty() ? 0 : 1];
      const dsm::SyncRequest sync{.ino = ino, .handle = handles.empty() ? 0 : handles.front()};
      send(sync, [=, this, &i](const KernelAnswer& a, Generation) {
        scheduler_.say("k", node_, " FSYNC o", ino, " answered");
        unlock(i);
        done(std::get<dsm::PlainAnswer>(a).status);
      });
    });
  });
}

}  // namespace dspm::sim
