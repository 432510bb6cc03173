#include "utils/base/page.h"

#include <algorithm>

namespace dspm {

const PageRef& zero_page() {
  static const PageRef page = new_zero_page();
  return page;
}

void make_writable(OwnPage& page) {
  if (page && page.use_count() > 1) page = copy_page(*page);
}

void append_page(PageRuns& runs, PageNo page) {
  if (!runs.empty() && runs.back().end() == page) {
    ++runs.back().count;
  } else {
    runs.push_back({page, 1});
  }
}

std::vector<PageRuns> parts_of(const PageRuns& runs, std::uint64_t most) {
  std::vector<PageRuns> parts(1);
  std::uint64_t room = most;
  for (PageRun run : runs) {
    while (run.count > 0) {
      if (room == 0) {
        parts.emplace_back();
        room = most;
      }
      const std::uint64_t count = std::min(run.count, room);
      parts.back().push_back({run.first, count});
      run = {PageNo(run.first.value + count), run.count - count};
      room -= count;
    }
  }
  return parts;
}

}  // namespace dspm
