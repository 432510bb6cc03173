#include "utils/base/page.h"

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

}  // namespace dspm
