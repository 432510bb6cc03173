// One 4 KiB page image, held by count. Whoever holds a PageRef may rely on the bytes not changing
// (a frame given to a send, an answer or a twin is pinned by it); who is the only holder may write.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "utils/base/bytes.h"
#include "utils/base/ids.h"
#include "utils/base/limits.h"

namespace dspm {

struct alignas(64) PageBytes {
  std::array<std::byte, kPageSize> data;
};
using PageRef = std::shared_ptr<const PageBytes>;
using OwnPage = std::shared_ptr<PageBytes>;

inline OwnPage new_zero_page() { return std::make_shared<PageBytes>(); }
inline OwnPage copy_page(const PageBytes& from) { return std::make_shared<PageBytes>(from); }
// The page of zeros that everybody shares; never written.
const PageRef& zero_page();
// `page` if nobody else holds it, else a copy: afterwards the caller may write. Null stays null.
void make_writable(OwnPage& page);

inline constexpr PageNo page_of(std::uint64_t offset) { return PageNo(offset / kPageSize); }
inline constexpr std::uint64_t offset_of(PageNo page) { return page.value * kPageSize; }

// `count` pages from `first` on.
struct PageRun {
  PageNo first;
  std::uint64_t count = 0;
  PageNo end() const { return PageNo(first.value + count); }
  bool contains(PageNo p) const { return p >= first && p < end(); }
  bool operator==(const PageRun&) const = default;
};
using PageRuns = std::vector<PageRun>;

// Appends `page` to ascending `runs`, joining it to the last run where it follows directly.
void append_page(PageRuns& runs, PageNo page);
// The same pages in parts of at most `most` (> 0) each; one empty part if there are none.
std::vector<PageRuns> parts_of(const PageRuns& runs, std::uint64_t most);

// A page as a primary publishes it.
struct PublishedPage {
  Version version;
  PageRef bytes;  // never null
};

}  // namespace dspm
