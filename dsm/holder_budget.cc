// Memory: twins and staged pages have a budget each (2-kernel rule 2; 3-protocol F4, F11).
#include <algorithm>
#include <limits>

#include "dsm/holder.h"

namespace dspm::dsm {
namespace {

constexpr std::uint64_t kMostAtOnce = 4096;  // pages of one eviction: a loop's turn stays short
constexpr PageNo kBeyondAll{std::numeric_limits<std::uint64_t>::max()};

// Nothing of the page would be lost with its state. Its floor neither: what is fetched from now on
// is not older.
bool nothing_known(const PageState& page) {
  return !page.copy && !page.whole && !page.stored_at_end && !page.poisoned && page.reads == 0 &&
         !page.bar && !page.twin && !page.second && page.cut == kNoCut &&
         page.zeroed == kPageSize && page.notifies == 0;
}

}  // namespace

void Holder::set_twin(PageState& page, OwnPage twin) {
  if (twin) ++twins_;
  if (page.twin) --twins_;
  page.twin = std::move(twin);
}

// [F4] Over budget: pages are dropped, one after the other round all objects, then their twins go.
// READ waits for none of it: until then there is more than the budget, by what was read meanwhile.
void Holder::bound_twins(Context c) {
  if (twins_ <= limits_.twins + leaving_) return;
  const std::uint64_t enough = limits_.twins - limits_.twins / 8;
  std::uint64_t want = std::min(twins_ - leaving_ - enough, kMostAtOnce);
  auto it = objects_.lower_bound(hand_.first);
  for (std::size_t left = objects_.size() + 1; left > 0 && want > 0; --left) {
    if (it == objects_.end()) it = objects_.begin();
    if (it->first != hand_.first || left <= objects_.size()) hand_ = {it->first, PageNo()};
    take_twins({it->first, it->second, c.now, c.out}, want);
    ++it;
  }
}

void Holder::take_twins(Context c, std::uint64_t& want) {
  auto it = c.object.pages.lower_bound(hand_.second);
  PageNo first = kBeyondAll, last;
  for (; it != c.object.pages.end() && want > 0; ++it) {
    PageState& page = it->second;
    if (!page.twin || page.leaving || page.bar || page.reads > 0) continue;
    page.leaving = true;
    ++leaving_;
    --want;
    if (page.copy) raise_bar(page);
    first = std::min(first, it->first);
    last = it->first;
  }
  hand_ = {c.ino, it == c.object.pages.end() ? kBeyondAll : it->first};
  if (first == kBeyondAll) return;
  drop_run(c, {first, last.value - first.value + 1}, true);
}

// [2-kernel rule 7] A WRITE that was on its way when its page was dropped has come by now; one that
// an unanswered SETATTR(size) holds back has not. If one comes later all the same: F11.
void Holder::drop_late_twins(Context c) {
  Object& object = c.object;
  while (!object.late_twins.empty() && object.late_twins.front().at <= c.now) {
    if (object.resize) {
      object.late_twins.front().at = c.now + kTwinLinger;
      return;
    }
    const PageRun run = object.late_twins.front().pages;
    object.late_twins.pop_front();
    for (auto it = object.pages.lower_bound(run.first);
         it != object.pages.end() && it->first < run.end();) {
      PageState& page = it->second;
      const bool leaves = page.leaving && !page.copy && !page.bar && page.reads == 0;
      if (std::exchange(page.leaving, false)) --leaving_;
      if (leaves) set_twin(page, nullptr);
      if (!leaves || !nothing_known(page)) {
        ++it;
        continue;
      }
      if (page.count_at_notify == object.answered_writes) {
        object.forgotten_at_notify = page.count_at_notify;
      }
      it = object.pages.erase(it);
    }
  }
}

void Holder::forget_twins(const Object& object) {
  for (const auto& [number, page] : object.pages) {
    twins_ -= page.twin != nullptr;
    leaving_ -= page.leaving;
  }
}

std::uint64_t Holder::staged_now(const Object& object) const {
  const std::size_t frozen = object.frozen ? object.frozen->stage.page_count() : 0;
  return staged_ - object.counted_staged + object.staged.page_count() + frozen;
}

void Holder::count_staged(Object& object) {
  staged_ = staged_now(object);
  const std::size_t frozen = object.frozen ? object.frozen->stage.page_count() : 0;
  object.counted_staged = object.staged.page_count() + frozen;
}

// [2-kernel rule 2] ENOSPC; but the kernel's pages may have the bytes already, and they go.
void Holder::refuse_write(Context c, const WriteRequest& request) {
  answer(c, request.unique, Status::no_space);
  early_commit(c);
  PageRuns runs;
  const std::uint64_t end = request.offset + request.bytes.size();
  for (auto it = c.object.pages.lower_bound(page_of(request.offset));
       it != c.object.pages.end() && offset_of(it->first) < end; ++it) {
    if (!it->second.copy || it->second.bar || it->second.reads > 0) continue;
    raise_bar(it->second);
    append_page(runs, it->first);
  }
  for (const PageRun& run : runs) drop_run(c, run);
}

// A write() that is staged. Where memory is short it is answered late, so that commits keep up.
void Holder::answer_write(Context c, Unique unique) {
  if (staged_now(c.object) <= limits_.staged / 2) {
    ++c.object.answered_writes;
    return answer(c, unique);
  }
  c.object.slowed.push_back({unique, c.now + kWriteHold});
  early_commit(c);
}

void Holder::release_slowed(Context c) {
  auto& slowed = c.object.slowed;
  const bool room = staged_now(c.object) <= limits_.staged / 2;
  while (!slowed.empty() && (room || slowed.front().at <= c.now)) {
    ++c.object.answered_writes;
    answer(c, slowed.front().unique);
    slowed.pop_front();
  }
}

}  // namespace dspm::dsm
