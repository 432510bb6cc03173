#include "tests/sim/scenarios.h"

#include "tests/sim/story.h"

namespace dspm::sim {

namespace {

// [D1] [F7] [C4] A whole-page write() leaves a page in the cache that no READ has fetched: the
// directory hears of it all the same.
std::string page_nobody_asked_for(bool trace) {
  Story s(trace);
  s.write(n1, 0, kPageSize);
  s.sync(n1);
  s.tell("n2 stores to the page: n1's copy, which no READ gave, must go");
  const int v = s.store(n2, 7);
  s.sync(n2);
  s.expect(n1, 7, v, "n1 shows what n2 has committed");
  return s.end();
}

// [D3] [F6] O_DIRECT write beside a mapping: the page read meanwhile lacks its bytes, and its
// write-back must not bring the old ones.
std::string twin_that_knows_more(bool trace) {
  WorldOptions o = Story::calm();
  o.kernel.write_delay_us = 2000;
  Story s(trace, 4 * kPageSize, o);
  const int old = s.store(n2, 0);
  s.sync(n2);
  int direct = 0;
  const auto write = s.begin_direct_write(n1, 0, 512, &direct);
  s.tell("before its WRITE is sent the page is read again, and stored to beside it");
  s.load(n1, 0);
  s.store(n1, 2048);
  s.wait(write);
  s.sync(n1);
  if (s.load(n2, 0) == old) s.fail("the old byte came back over the O_DIRECT write [D3]");
  s.expect(n2, 0, direct, "n2 shows the O_DIRECT write");
  return s.end();
}

// [D5] [C4] [F7] Whole-page write(), a mapped store, its write-back, the commit of the write()
// bytes alone: the record does not cover the page, the copy must be known all the same.
std::string page_nobody_asked_for_again(bool trace) {
  Story s(trace);
  s.write(n1, 0, kPageSize);
  s.store(n1, 100);
  s.write_back(n1, 0);
  s.tell("five seconds later the write() bytes commit by themselves");
  s.run(6'000'000);
  const int v = s.store(n2, 7);
  s.sync(n2);
  s.expect(n1, 7, v, "n1 shows what n2 has committed");
  return s.end();
}

// A write() whose page was dropped and read again between its copy and its WRITE.
void lose_bytes_of_a_write(Story& s, int* value) {
  s.load(n1, 0);
  const auto write = s.begin_write(n1, 0, 1, value);
  s.store(n2, 4095);
  s.sync(n2);
  s.load(n1, 4095);
  s.world().hold_jobs(n1);
  s.run(5000);
  (void)write;
}

WorldOptions slow_writes() {
  WorldOptions o = Story::calm();
  o.kernel.write_delay_us = 3000;
  return o;
}

// [K3.3] 2-kernel rule 8: the page lacks the bytes of the write(): it is invalidated again.
std::string write_races_with_invalidation(bool trace) {
  for (int round = 0; round < 8; round++) {
    Story s(trace, 4 * kPageSize, slow_writes());
    int value = 0;
    s.run(std::uint64_t(round) * 37);
    lose_bytes_of_a_write(s, &value);
    s.world().release_jobs(n1);
    s.run(30'000);
    s.expect(n1, 0, value, "the writer's own node shows its write() [K3.3]");
    if (!s.end().empty()) return s.end();
  }
  return {};
}

// [D7] [F6] The second value ends when a mapped WRITE has brought the byte.
std::string second_value_outlives(bool trace) {
  for (int round = 0; round < 8; round++) {
    Story s(trace, 4 * kPageSize, slow_writes());
    int b = 0;
    s.run(std::uint64_t(round) * 37);
    lose_bytes_of_a_write(s, &b);
    s.tell("mapped c written back, then mapped b written back");
    s.store_again(n1, 0, 200);
    s.write_back(n1, 0);
    s.store_again(n1, 0, b);
    s.write_back(n1, 0);
    s.world().release_jobs(n1);
    s.run(30'000);
    auto committed = std::make_shared<Pending>();
    s.kernel(n1).msync(s.ino(), 0, ~std::uint64_t{0},
                       [committed](Status) { committed->done = true; });
    const bool known = s.end().empty();
    s.wait(committed);
    // 200 is no value that the oracle knows: it must not have been committed.
    if (known && !s.end().empty()) return s.end();
    s.expect(n2, 0, b, "n2 shows the last store [D7]");
    if (!s.end().empty()) return s.end();
  }
  return {};
}

// [N10] [F9] A page that a pin has kept is dropped once it is written back.
std::string page_that_notify_did_not_drop(bool trace) {
  Story s(trace);
  s.store(n1, 0);
  s.sync(n1);
  s.kernel(n1).pin(s.ino(), 0);
  const int v = s.store(n2, 7);
  s.sync(n2);
  if (!s.kernel(n1).kept(s.ino(), 0)) s.fail("the pin did not keep the page");
  s.tell("the pin dirties it; it is written back");
  s.run(1000);
  s.write_back(n1, 0);
  s.run(1000);
  s.expect(n1, 7, v, "n1 shows what n2 has committed [N10]");
  return s.end();
}

// [N13] [Z9] The answer of a chmod is applied late; the push of a growth waits for it.
std::string answer_that_comes_late(bool trace) {
  for (int round = 0; round < 12; round++) {
    WorldOptions o = Story::calm();
    o.kernel.apply_delay_us = 3000;
    o.kernel.late_percent = 100;
    Story s(trace, kPageSize, o);
    s.load(n1, 0);
    s.run(std::uint64_t(round) * 11);
    const auto chmod = s.begin_chmod(n1);
    s.run(30);
    const int v = s.write(n2, kPageSize, kPageSize);
    s.sync(n2);
    s.wait(chmod);
    s.expect(n1, kPageSize, v, "a mapping on n1 sees the growth [N13]");
    if (!s.end().empty()) return s.end();
  }
  return {};
}

// [A12] [F3] Own frozen bytes are not laid over an answer that already has them.
std::string overlay_over_what_has_it(bool trace) {
  Story s(trace);
  s.net().hold<commit::Decided>(n3, n1);
  s.net().hold<commit::Done>(n3, n1);
  s.store(n1, 7);
  const auto sync = s.begin_sync(n1);
  s.run(500);
  s.tell("n3 has applied n1's commit; n2 overwrites the byte; n1 has heard of neither");
  const int v = s.store(n2, 7);
  s.sync(n2);
  s.expect(n1, 7, v, "n1 shows the newer byte [A12]");
  s.net().release();
  s.wait(sync);
  return s.end();
}

// [A12] [F3] An answer asked before the freeze does not tell whether it has the frozen bytes.
std::string asked_before_the_freeze(bool trace) {
  Story s(trace);
  s.write(n1, 0, 1);
  s.net().hold<dsm::Fetch>(n1, n3);
  s.net().hold<commit::Decided>(n3, n1);
  s.net().hold<commit::Done>(n3, n1);
  const auto load = s.begin_load(n1, 100);
  s.run(100);
  s.tell("the Fetch names no commit; now n1 commits its byte, and n2 overwrites it");
  const auto sync = s.begin_sync(n1);
  s.run(300);
  const int v = s.store(n2, 0);
  s.sync(n2);
  s.net().release_kind<dsm::Fetch>();
  s.wait(load);
  s.expect(n1, 0, v, "n1 shows the newer byte [A12]");
  s.net().release();
  s.wait(sync);
  return s.end();
}

// [A15] [F3] Data that an Inval has overtaken is not given to the kernel.
std::string data_overtaken_by_inval(bool trace) {
  Story s(trace);
  s.net().hold<dsm::Data>(n3, n1);
  const auto load = s.begin_load(n1, 0);
  s.run(200);
  s.tell("the old Data is on its way; n2 commits; n1 has a READ in flight: Invalidated at once");
  const int v = s.store(n2, 0);
  s.sync(n2);
  s.net().release();
  s.wait(load);
  s.expect(n1, 0, v, "n1 shows what n2 has committed [A15]");
  return s.end();
}

// [A14] [C4] The committer is exempt only if it has what is replaced.
std::string committer_is_no_exception(bool trace) {
  Story s(trace);
  s.load(n1, 0);
  s.net().hold<dsm::Inval>(n3, n1);
  const int v = s.store(n2, 7);
  const auto sync2 = s.begin_sync(n2);
  s.run(300);
  s.store(n1, 0);
  const auto sync1 = s.begin_sync(n1);
  s.run(300);
  s.net().release();
  s.wait(sync1);
  s.wait(sync2);
  s.expect(n1, 7, v, "n1 shows what n2 has committed [A14]");
  return s.end();
}

// [F8] Invalidated is answered when the kernel has dropped the page.
std::string invalidated_when_dropped(bool trace) {
  Story s(trace);
  s.load(n1, 0);
  s.world().hold_jobs(n1);
  s.store(n2, 0);
  const auto sync = s.begin_sync(n2);
  s.run(5000);
  if (sync->done) s.fail("the sync returned while n1 still shows the old page [F8]");
  s.world().release_jobs(n1);
  s.wait(sync);
  return s.end();
}

// [A19] [Z8] A mapping sees growth made elsewhere without any stat.
std::string growth_reaches_mappings(bool trace) {
  Story s(trace, kPageSize);
  s.load(n1, 0);
  const int v = s.write(n2, kPageSize, 2 * kPageSize);
  s.sync(n2);
  s.expect(n1, kPageSize, v, "a mapping on n1 sees the growth [A19]");
  return s.end();
}

// [Z8] A size that stat has told is never ahead of the bytes below it.
std::string size_ahead_of_its_bytes(bool trace) {
  Story s(trace, 50);
  s.load(n1, 0);
  s.world().hold_jobs(n1);
  s.write(n2, 50, 100);
  const auto sync = s.begin_sync(n2);
  s.run(500);
  s.tell("n1 knows the header, its kernel has not been told: what does stat say?");
  const auto stat = s.begin_stat(n1);
  s.run(500);
  if (stat->done) s.load(n1, 100);
  s.world().release_jobs(n1);
  s.wait(stat);
  s.wait(sync);
  return s.end();
}

// [Z8] told rises before the kernel's size does, or what is stored in between is lost.
std::string told_before_the_raise(bool trace) {
  for (int round = 0; round < 12; round++) {
    Story s(trace, 50);
    s.run(std::uint64_t(round) * 17);
    s.load(n1, 0);
    s.write(n2, 50, 100);
    const auto sync = s.begin_sync(n2);
    for (int i = 0; i < 500 && s.kernel(n1).size(s.ino()) < 150; i++) s.run(1);
    s.tell("n1's kernel has the new size, and perhaps still the old page");
    s.store(n1, 100);
    s.wait(sync);
    s.sync(n1);
    if (!s.end().empty()) return s.end();
  }
  return {};
}

// [1.10] [C6] A SetSize that changes nothing waits for those who owe the present size.
std::string no_change_waits(bool trace) {
  Story s(trace, kPageSize);
  s.load(n1, 0);
  s.world().hold_jobs(n1);
  const auto first = s.begin_truncate(n3, 3 * kPageSize);
  s.run(2000);
  const auto second = s.begin_truncate(n2, 3 * kPageSize);
  s.run(5000);
  if (second->done) s.load(n1, 2 * kPageSize + 7);
  if (second->done) s.fail("ftruncate returned; n1 has not been told the size [1.10]");
  s.world().release_jobs(n1);
  s.wait(first);
  s.wait(second);
  return s.end();
}

// [1.15] [Z9] A push waits for the answer of a SETATTR(size), which would undo it.
std::string push_beside_setattr(bool trace) {
  for (int round = 0; round < 12; round++) {
    WorldOptions o = Story::calm();
    o.kernel.setattr_delay_us = 2000;
    o.kernel.apply_delay_us = 2000;
    o.kernel.late_percent = 100;
    Story s(trace, kPageSize, o);
    s.load(n1, 0);
    s.run(std::uint64_t(round) * 13);
    const auto first = s.begin_truncate(n1, 2 * kPageSize);
    s.run(60);
    const auto second = s.begin_truncate(n2, 4 * kPageSize);
    s.wait(second);
    s.wait(first);
    s.run(5000);
    s.expect(n1, 3 * kPageSize + 7, 0, "n1 sees the size that n2 set [1.15]");
    if (!s.end().empty()) return s.end();
  }
  return {};
}

// [1.6] [Z6] A copy from before a cut: its write-back brings nothing from beyond it.
std::string copy_from_before_a_cut(bool trace) {
  Story s(trace);
  s.load(n1, kPageSize);
  s.world().hold_jobs(n1);
  s.store(n1, kPageSize + 2048);
  const auto cut = s.begin_truncate(n2, kPageSize + 100);
  s.run(300);
  s.tell("n1 has learnt the cut, its kernel still has the page; a write() of its own grows it");
  s.write(n1, 2 * kPageSize + 10, 10);
  s.write_back(n1, 1);
  s.world().release_jobs(n1);
  s.wait(cut);
  s.truncate(n2, 4 * kPageSize);
  s.sync(n1);
  s.expect(n3, kPageSize + 2048, 0, "no byte from before the cut comes back [1.6]");
  return s.end();
}

// [1.5] [Z3] What is staged beyond a cut never commits, whoever learns of it late.
std::string staged_beyond_a_cut(bool trace) {
  Story s(trace);
  s.store(n1, 2 * kPageSize + 7);
  s.write_back(n1, 2);
  s.net().hold<dsm::Inval>(n3, n1);
  const auto cut = s.begin_truncate(n2, 100);
  s.run(300);
  const auto sync = s.begin_sync(n1);
  s.run(300);
  s.net().release();
  s.wait(cut);
  s.wait(sync);
  s.truncate(n2, 4 * kPageSize);
  s.expect(n3, 2 * kPageSize + 7, 0, "no byte from before the cut comes back [1.5]");
  return s.end();
}

// [1.13] [Z8] Growth invalidates from the old end: the page there shows zeros beyond it.
std::string old_end_goes(bool trace) {
  Story s(trace, 50);
  s.load(n2, 0);
  s.store(n1, 2048);
  s.write_back(n1, 0);
  s.tell("n1 has stored beyond the end; now the object grows, and no byte of the page changes");
  s.truncate(n2, kPageSize);
  s.run(1000);
  s.expect(n1, 2048, 0, "what was stored beyond the end does not stay on one node [1.13]");
  return s.end();
}

// [D2] [C3] Who commits is told the decision, or waits for itself for ever.
std::string committer_is_told(bool trace) {
  Story s(trace, kPageSize);
  for (const NodeId n : {n1, n2, n3}) s.load(n, 0);
  s.write(n1, kPageSize, 100);
  const auto a = s.begin_truncate(n1, 2 * kPageSize);
  s.write(n2, 2 * kPageSize, 100);
  const auto b = s.begin_truncate(n2, 3 * kPageSize);
  s.store(n3, 7);
  const auto c = s.begin_sync(n3);
  for (const auto& p : {a, b, c}) s.wait(p);
  return s.end();
}

// [B8] [M1] What is unanswered when a connection breaks is sent again, and takes effect once [C7].
std::string broken_connections(bool trace) {
  Story s(trace);
  const auto load = s.begin_load(n1, 0);
  s.run(9);
  s.net().cut(n1, n3, 300);
  s.wait(load);
  for (int i = 0; i < 40; i++) {
    s.store(n1, 7);
    const auto sync = s.begin_sync(n1);
    s.run(std::uint64_t(i));
    s.net().cut(n1, n3, 100);
    s.wait(sync);
    s.run(300);
  }
  return s.end();
}

// [A5] [P6] [L5] A home that comes back has what its log has; what others staged is committed by
// it.
std::string home_comes_back(bool trace) {
  Story s(trace);
  s.store(n1, 7);
  s.sync(n1);
  s.write(n1, 0, 8);
  s.tell("n3, the home, dies and comes back");
  s.world().restart(n3);
  s.run(10'000);
  s.sync(n1);
  s.load(n2, 0);
  return s.end();
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"D1", "[D1] [F7] [C4]", page_nobody_asked_for},
      {"D2", "[D2] [C3]", committer_is_told},
      {"D3", "[D3] [F6]", twin_that_knows_more},
      {"D5", "[D5] [C4] [F7]", page_nobody_asked_for_again},
      {"D7", "[D7] [F6]", second_value_outlives},
      {"K3_3", "[K3.3]", write_races_with_invalidation},
      {"N10", "[N10] [F9]", page_that_notify_did_not_drop},
      {"N13", "[N13] [Z9]", answer_that_comes_late},
      {"A12", "[A12] [F3]", overlay_over_what_has_it},
      {"A12_asked", "[A12] [F3]", asked_before_the_freeze},
      {"A14", "[A14] [C4]", committer_is_no_exception},
      {"A15", "[A15] [F3]", data_overtaken_by_inval},
      {"A19", "[A19] [Z8]", growth_reaches_mappings},
      {"B8", "[B8] [M1] [C7]", broken_connections},
      {"Z8_inode", "[Z8]", size_before_its_inode},
      {"F6_zeros", "[F6]", zeros_of_a_late_cut},
      {"F8", "[F8]", invalidated_when_dropped},
      {"Z8_ahead", "[Z8]", size_ahead_of_its_bytes},
      {"Z8_told", "[Z8]", told_before_the_raise},
      {"Z1_5", "[1.5] [Z3] [Z6]", staged_beyond_a_cut},
      {"Z1_6", "[1.6] [Z6]", copy_from_before_a_cut},
      {"Z1_10", "[1.10] [C6]", no_change_waits},
      {"Z1_13", "[1.13] [Z8]", old_end_goes},
      {"Z1_15", "[1.15] [Z9]", push_beside_setattr},
      {"P6", "[P6]", home_comes_back},
  };
  return all;
}

}  // namespace dspm::sim
