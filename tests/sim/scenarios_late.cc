// Stories of kernels that take what they were answered late.
#include "tests/sim/scenarios.h"
#include "tests/sim/story.h"

namespace dspm::sim {

// [F6] A smaller size that this kernel applies late: the zeros of its cut are no stores, whatever
// has grown the object since.
std::string zeros_of_a_late_cut(bool trace) {
  for (int round = 0; round < 12; round++) {
    Story s(trace, 2 * kPageSize);
    s.run(std::uint64_t(round) * 13);
    s.net().hold<dsm::FetchAttr>(n1, n3);
    s.net().hold<dsm::Fetch>(n1, n3);
    const auto cut = s.begin_truncate(n2, 50);
    s.run(500);
    const auto load = s.begin_load(n1, 7);
    s.run(100);
    s.tell("n1's kernel is told the size 50 while it reads the page: it cuts when that has come");
    s.net().release_kind<dsm::FetchAttr>();
    s.run(200);
    int v = 0;
    const auto grown = s.begin_write(n3, 50, 100, &v);
    s.wait(grown);
    const int seen = s.write(n3, 100, 1);
    const auto sync = s.begin_sync(n3);
    s.run(200);
    const auto store = s.begin_store(n1, 1);
    const auto up = s.begin_truncate(n1, 2 * kPageSize);
    s.run(200);
    s.net().release_kind<dsm::Fetch>();
    for (const auto& p : {load, cut, sync, up, store}) s.wait(p);
    s.sync(n1);
    s.expect(n2, 100, seen, "the kernel's own zeros take no byte of another node [F6]");
    s.expect(n1, 100, seen, "nor do they stay on the node that cut [F6]");
    if (!s.end().empty()) return s.end();
  }
  return {};
}

// [Z8] A LOOKUP is answered, its inode not made yet: a size that is told meanwhile finds none.
std::string size_before_its_inode(bool trace) {
  for (int round = 0; round < 12; round++) {
    WorldOptions o = Story::calm();
    o.kernel.apply_delay_us = 3000;
    o.kernel.late_percent = 100;
    Story s(trace, kPageSize, o);
    s.run(std::uint64_t(round) * 11);
    s.close(n1);
    s.run(100);
    if (!s.kernel(n1).forget(s.ino())) s.fail("the inode is in use");
    const auto opened = s.begin_open(n1);
    s.run(30);
    s.tell("n1 has been answered the old size; n2 sets another");
    s.truncate(n2, 4 * kPageSize);
    s.wait(opened);
    s.run(5000);
    s.expect(n1, 3 * kPageSize + 7, 0, "n1 has the size that n2 set [Z8]");
    if (!s.end().empty()) return s.end();
  }
  return {};
}

}  // namespace dspm::sim
