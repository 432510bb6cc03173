// WRITE: staged and answered at once (3-protocol F5-F7, F11; 2-kernel rules 2, 6-8).
#include <algorithm>
#include <cstring>

#include "dsm/holder.h"
#include "utils/base/planted.h"

namespace dspm::dsm {

void Holder::write(Context c, const WriteRequest& request) {
  if (request.mapped) return mapped_write(c, request);
  Object& object = c.object;
  const std::uint64_t end = request.offset + request.bytes.size();
  if (end > kMaxObjectSize) return answer(c, request.unique, Status::too_large);
  const std::uint64_t pages = page_of(end + kPageSize - 1).value - page_of(request.offset).value;
  if (staged_now(object) + pages > limits_.staged) return refuse_write(c, request);
  object.staged.write(request.offset, request.bytes, request.stamp, c.now);
  if (end > object.told) drop_page_of_old_end(c);
  object.told = std::max(object.told, end);  // [Z8] the kernel raises its size by itself
  object.has_told = true;
  object.kernel_size = std::max(object.kernel_size, end);
  object.kernel_high = std::max(object.kernel_high, end);
  PageRuns race;
  for (std::uint64_t at = request.offset; at < end;) {
    const std::size_t in_page = at % kPageSize;
    const std::size_t n = std::min<std::uint64_t>(kPageSize - in_page, end - at);
    if (written_page(c, page_of(at), in_page, request.bytes.subspan(at - request.offset, n),
                     request.direct)) {
      append_page(race, page_of(at));
    }
    at += n;
  }
  if (race.empty() || request.direct) {
    answer_write(c, request.unique);
  } else {  // [K3.3] dropped again, answered when that returns, or after 20 ms
    ++counters_.rewrites;
    RunningJob running;
    running.pages = {race.front().first, race.back().end().value - race.front().first.value};
    running.held.push_back(request.unique);
    running.counts_writes = true;
    running.release = c.now + kWriteHold;
    start_job(c,
              Job{{},
                  c.ino,
                  Job::Kind::drop,
                  offset_of(running.pages.first),
                  running.pages.count * kPageSize,
                  0,
                  {}},
              std::move(running));
  }
  if (object.staged.written_bytes() > limits_.early_bytes) early_commit(c);
  bound_twins(c);
}

// [1.13] What a mapping stored beyond the end is in this kernel alone: once the page was written
// back (up to the end) nobody else would ever see it. An own growth must not show it.
void Holder::drop_page_of_old_end(Context c) {
  const auto it = c.object.pages.find(page_of(c.object.told));
  if (it == c.object.pages.end()) return;
  PageState& page = it->second;
  if (!page.stored_at_end || !page.copy || page.bar || page.reads > 0) return;
  raise_bar(page);
  drop_run(c, {it->first, 1});
}

// The kernel may have zeroed, from `from` on, what a write() had just copied into the page: such
// zeros are no stores [F6].
void Holder::accept_zeros(PageState& page, std::uint64_t begin, std::size_t at, std::size_t count,
                          std::uint64_t from) {
  const std::size_t first = std::max<std::uint64_t>(at, from > begin ? from - begin : 0);
  if (first >= at + count) return;
  if (!page.second) page.second = std::make_unique<PageState::Second>();
  set_range(page.second->mask, first, at + count - first);
  std::memset(page.second->bytes.data.data() + first, 0, at + count - first);
}

// True: rule 8's condition holds, the kernel's page may lack the bytes.
bool Holder::written_page(Context c, PageNo number, std::size_t at, ByteSpan bytes, bool direct) {
  PageState& page = page_at(c.object, number);
  const std::uint64_t count = c.object.answered_writes;
  const bool race =
      (page.notifies > 0 || page.count_at_notify == count) && page.count_at_read == count;
  const bool whole = bytes.size() == kPageSize && !direct;
  if ((race || direct) && page.twin && !planted(Planted::twin_patched_always)) {  // [F6] [D3]
    if (!page.second) page.second = std::make_unique<PageState::Second>();
    set_range(page.second->mask, at, bytes.size());
    std::memcpy(page.second->bytes.data.data() + at, bytes.data(), bytes.size());
  } else {
    if (page.twin) {
      make_writable(page.twin);
      std::memcpy(page.twin->data.data() + at, bytes.data(), bytes.size());
    }
    if (page.second) {
      ByteMask gone;
      set_range(gone, at, bytes.size());
      page.second->mask &= ~gone;
    }
  }
  if (page.cut != kNoCut) {  // [Z6] [1.6]
    if (!page.uncut) page.uncut = std::make_unique<ByteMask>();
    set_range(*page.uncut, at, bytes.size());
  }
  if (whole && !planted(Planted::whole_page_forgotten)) {  // [F7]
    if (!page.twin) {
      set_twin(page, std::make_shared<PageBytes>());
      std::memcpy(page.twin->data.data(), bytes.data(), kPageSize);
    }
    if (!page.copy) page.version = Version();
    page.copy = page.whole = true;
    page.poisoned = false;
  }
  const bool cut = !direct && count == c.object.count_at_shrink &&
                   offset_of(number) + at + bytes.size() > c.object.shrunk_to;
  if (cut && !race && page.twin)
    accept_zeros(page, offset_of(number), at, bytes.size(), c.object.shrunk_to);
  return (race || cut) && !direct && !planted(Planted::rewrite_race_ignored);
}

void Holder::mapped_write(Context c, const WriteRequest& request) {
  const std::uint64_t end = request.offset + request.bytes.size();
  for (std::uint64_t at = request.offset; at < end;) {
    const std::size_t in_page = at % kPageSize;
    const std::size_t n = std::min<std::uint64_t>(kPageSize - in_page, end - at);
    mapped_page(c, page_of(at), in_page, request.bytes.subspan(at - request.offset, n),
                request.stamp);
    at += n;
  }
  answer(c, request.unique);
}

void Holder::mapped_page(Context c, PageNo number, std::size_t at, ByteSpan bytes, WallTime stamp) {
  PageState& page = page_at(c.object, number);
  if (!page.poisoned && !page.twin) poison(c);  // [F4] it cannot be judged
  const std::uint64_t begin = offset_of(number);
  if (!page.poisoned) {
    const std::uint64_t told = c.object.told > begin ? c.object.told - begin : 0;
    page.stored_at_end = page.stored_at_end || told < kPageSize;
    const std::size_t known = std::min<std::uint64_t>(bytes.size(), told > at ? told - at : 0);
    ByteMask stored = difference(bytes.first(known), at, *page.twin);  // [F5]
    if (planted(Planted::whole_page_staged)) set_range(stored, at, known);
    if (page.cut != kNoCut) {  // [Z6] [1.6]
      ByteMask below = stored;
      clear_from(below, page.cut > begin ? page.cut - begin : 0);
      stored = page.uncut ? below | (stored & *page.uncut) : below;
    }
    if (page.second) {  // [F6] a byte equal to either value is no change
      for (std::size_t i = stored._Find_first(); i < kPageSize; i = stored._Find_next(i)) {
        if (page.second->mask[i] && page.second->bytes.data[i] == bytes[i - at]) stored.reset(i);
      }
    }
    // [F6] A store of zero is not told from these; it counts as made before the truncation.
    for (std::size_t i = std::max(page.zeroed, at); i < at + known; ++i) {
      if (bytes[i - at] == std::byte{}) stored.reset(i);
    }
    if (stored.any() && !c.object.staged.touches(number) &&
        staged_now(c.object) >= limits_.staged) {
      poison(c);  // no memory for them
    } else {
      c.object.staged.store(number, stored, at, bytes, stamp);
    }
    if (!planted(Planted::twin_not_updated)) {
      make_writable(page.twin);
      std::memcpy(page.twin->data.data() + at, bytes.data(), known);
    }
    if (page.second && !planted(Planted::second_outlives)) {  // [D7]
      ByteMask brought;
      set_range(brought, at, known);
      page.second->mask &= ~brought;
    }
  }
  if (page.copy || page.reads > 0) return;
  ++counters_.kept_pages;  // [F9] [N10] the kernel kept it: it has a copy again
  page.copy = true;
  page.version = Version();
  if (page.bar) return;
  raise_bar(page);
  drop_run(c, {number, 1});
}

// [F11] [N4] What is left of a torn set must never commit.
void Holder::poison(Context c) {
  ++counters_.poisoned;
  Object& object = c.object;
  object.staged = Stage();
  for (auto& [handle, error] : object.handles) error = true;
  for (auto& [number, page] : object.pages) page.poisoned = true;
  drop_copies(c);
}

// [Contract] write() bytes older than 5 s or more than 32 MiB commit by themselves.
void Holder::early_commit(Context c) {
  for (const PendingCommit& pending : c.object.queue) {
    if (pending.kind == PendingCommit::Kind::early) return;
  }
  PendingCommit pending;
  pending.kind = PendingCommit::Kind::early;
  enqueue(c, std::move(pending));
}

}  // namespace dspm::dsm
