// READ: page faults and read() (3-protocol F1, F3, F4, Z7, Z8).
#include <algorithm>
#include <cstring>

#include "dsm/holder.h"
#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::dsm {
namespace {

std::uint64_t pages_upto(std::uint64_t offset) { return (offset + kPageSize - 1) / kPageSize; }

// Zeroes [from, end of page) of `page`, which begins at object offset `begin`; copies only if
// needed.
bool zero_beyond(PageRef& page, std::uint64_t begin, std::uint64_t from) {
  if (from >= begin + kPageSize) return false;
  const std::size_t at = from > begin ? from - begin : 0;
  const auto& data = page->data;
  if (std::all_of(data.begin() + at, data.end(), [](std::byte b) { return b == std::byte{}; })) {
    return false;
  }
  OwnPage own = copy_page(*page);
  std::memset(own->data.data() + at, 0, kPageSize - at);
  page = std::move(own);
  return true;
}

}  // namespace

void Holder::read(Context c, const ReadRequest& request) {
  if (!request.direct) {
    const std::uint64_t last = pages_upto(request.offset + request.size);
    for (PageNo p = page_of(request.offset); p.value < last; ++p.value) {
      PageState& page = page_at(c.object, p);
      ++page.reads;  // [F8] [B1] a READ taken up: the kernel has no copy
      if (page.bar) end_bar(c, p, page);
      page.copy = page.whole = false;
    }
  }
  ReadInFlight& read = c.object.reads[request.unique];
  read.request = request;
  read.deadline = c.now + timeout_;
  if (!c.object.known) return fetch_header(c);
  start_read(c, read);
}

void Holder::start_waiting_reads(Context c) {
  std::vector<Unique> waiting;
  for (const auto& [unique, read] : c.object.reads) {
    if (!read.started) waiting.push_back(unique);
  }
  for (const Unique unique : waiting) start_read(c, c.object.reads.at(unique));
}

void Holder::end_reads(Object& object, const ReadRequest& request) {
  if (request.direct) return;
  const std::uint64_t last = pages_upto(request.offset + request.size);
  for (PageNo p = page_of(request.offset); p.value < last; ++p.value) {
    PageState& page = object.pages.at(p);
    DSPM_CHECK(page.reads > 0, p);
    --page.reads;
  }
}

void Holder::start_read(Context c, ReadInFlight& read) {
  const ReadRequest request = read.request;
  read.started = true;
  if (request.offset >= c.object.told) {  // 2-kernel rule 10: lowers i_size, drops nothing
    c.object.kernel_size = std::min(c.object.kernel_size, c.object.told);
    end_reads(c.object, request);
    c.object.reads.erase(request.unique);
    c.out.push_back(KernelAnswer{ReadAnswer{request.unique, {}, 0, 0}});
    if (!request.direct) drop_tail(c, request, page_of(request.offset));
    return;
  }
  const PageNo first = page_of(request.offset);
  const std::uint64_t last =
      std::min(pages_upto(request.offset + request.size), pages_upto(c.object.told));
  read.pages = {first, last - first.value};
  read.got.resize(read.pages.count);
  read.asked.resize(read.pages.count);
  read.contains.resize(read.pages.count);
  read.generation.resize(read.pages.count);
  fetch_missing(c, read);
}

// The kernel keeps pages that a short answer left out, as zeros that no Fetch registered: they are
// as if given, and dropped again.
void Holder::drop_tail(Context c, const ReadRequest& request, PageNo first) {
  const PageNo end(pages_upto(request.offset + request.size));
  PageRuns runs;
  for (PageNo p = first; p < end; ++p.value) {
    PageState& page = page_at(c.object, p);
    if (page.reads > 0) continue;
    given(c, page, zero_page(), Version());
    raise_bar(page);
    append_page(runs, p);
  }
  for (const PageRun& run : runs) drop_run(c, run);
}

// [F4] The kernel has been given `bytes` of the page by a READ answer.
void Holder::given(Context c, PageState& page, const PageRef& bytes, Version version) {
  page.copy = true;
  page.version = version;
  page.second.reset();
  page.cut = kNoCut;
  page.uncut.reset();
  page.poisoned = page.stored_at_end = false;
  page.count_at_read = c.object.answered_writes;
  set_twin(page, c.object.writable_opens > 0 ? std::const_pointer_cast<PageBytes>(bytes) : nullptr);
}

// One Fetch for each run of pages that are missing [F1].
void Holder::fetch_missing(Context c, ReadInFlight& read) {
  const GroupView* group = home(c.object);
  if (group == nullptr) return;  // ask_again() does it
  const CommitId asked = c.object.frozen ? c.object.frozen->id : CommitId();
  PageRuns runs;
  for (std::size_t i = 0; i < read.got.size(); ++i) {
    if (read.got[i]) continue;
    read.asked[i] = asked;
    append_page(runs, PageNo(read.pages.first.value + i));
  }
  for (const PageRun& run : runs) {
    ++counters_.fetches;
    c.out.push_back(HolderSend{group->primary, Fetch{c.object.home, group->epoch, c.ino,
                                                     read.request.unique.value, run, asked}});
  }
}

void Holder::fetch_header(Context c) {
  if (c.object.fetching_header) return;
  c.object.fetching_header = true;
  c.object.header_request = ++request_;
  send_fetch_attr(c, c.object.header_request);
}

void Holder::data(const Data& message, Time now, HolderEffects& out) {
  const auto it = objects_.find(message.ino);
  if (it == objects_.end()) return;
  Context c{message.ino, it->second, now, out};
  const auto found = c.object.reads.find(Unique(message.request));
  if (found == c.object.reads.end() || !found->second.started) return;
  ReadInFlight& read = found->second;
  for (const DataPage& page : message.pages) {
    if (!read.pages.contains(page.page)) continue;
    const std::size_t i = page.page.value - read.pages.first.value;
    if (read.got[i] || read.asked[i] != message.asked) continue;
    read.got[i] = page;
    read.contains[i] = message.contains;
    read.generation[i] = message.generation;
  }
  try_answer(c, read);
  finish(message.ino, out);
}

// [F3] Looked at when the READ is answered, not when Data arrives.
bool Holder::usable(const Object& object, const ReadInFlight& read, std::size_t i) const {
  const DataPage& data = *read.got[i];
  const auto page = object.pages.find(data.page);
  if (page != object.pages.end() && data.version < page->second.floor &&
      !planted(Planted::floor_ignored)) {
    return false;  // [A15]
  }
  if (object.frozen && read.asked[i] != object.frozen->id &&
      !planted(Planted::asked_before_freeze)) {
    return !object.frozen->stage.touches(data.page) && !object.frozen->set_size;  // [A12]
  }
  return true;
}

PageRef Holder::assemble(const Object& object, const ReadInFlight& read, std::size_t i) const {
  const PageNo number = read.got[i]->page;
  const std::uint64_t begin = offset_of(number);
  PageRef page = read.got[i]->bytes;
  for (const Cut& cut : object.header.cuts) {  // [Z7] [1.9]
    if (cut.generation > read.generation[i]) zero_beyond(page, begin, cut.size);
  }
  const auto lay_over = [&](const Stage& stage) {
    if (!stage.touches(number)) return;
    OwnPage own = copy_page(*page);
    stage.overlay(number, *own);
    page = std::move(own);
  };
  if (object.frozen && (!read.contains[i] || planted(Planted::overlay_always))) {
    lay_over(object.frozen->stage);
    if (object.frozen->set_size) zero_beyond(page, begin, *object.frozen->set_size);  // [1.8]
  }
  lay_over(object.staged);
  return page;
}

void Holder::try_answer(Context c, ReadInFlight& read) {
  if (!std::all_of(read.got.begin(), read.got.end(), [](const auto& g) { return g.has_value(); })) {
    return;
  }
  bool again = false;
  for (std::size_t i = 0; i < read.got.size(); ++i) {
    if (usable(c.object, read, i)) continue;
    read.got[i].reset();
    again = true;
    ++counters_.refetches;
  }
  if (again) return fetch_missing(c, read);

  const ReadRequest request = read.request;
  ReadAnswer answer{request.unique, {}, 0, 0};
  answer.skip = request.offset % kPageSize;
  std::uint64_t end =
      std::min<std::uint64_t>(request.offset + request.size, offset_of(read.pages.end()));
  if (request.direct) end = std::min(end, c.object.told);
  answer.size = end > request.offset ? end - request.offset : 0;
  for (std::size_t i = 0; i < read.got.size(); ++i) {
    PageRef bytes = assemble(c.object, read, i);
    // [Z8] Bytes that this kernel has not been told of: the push that tells them drops the page.
    if (zero_beyond(bytes, offset_of(read.got[i]->page), c.object.told)) {
      c.object.push.from = std::min(c.object.push.from, c.object.told);
    }
    if (!request.direct) {  // [A13e] a direct READ touches neither twin nor bar
      given(c, c.object.pages.at(read.got[i]->page), bytes, read.got[i]->version);
    }
    answer.pages.push_back(std::move(bytes));
  }
  const PageNo end_page = read.pages.end();
  end_reads(c.object, request);
  c.object.reads.erase(request.unique);
  c.out.push_back(KernelAnswer{std::move(answer)});
  if (!request.direct) drop_tail(c, request, end_page);
  bound_twins(c);
}

}  // namespace dspm::dsm
