// Invalidations: bars, jobs for the kernel, Invalidated (3-protocol F7-F9).
#include <algorithm>
#include <limits>

#include "dsm/holder.h"
#include "utils/base/check.h"
#include "utils/base/limits.h"
#include "utils/base/planted.h"

namespace dspm::dsm {

Ticket Holder::start_job(Context c, Job job, RunningJob running) {
  job.ticket = Ticket(++ticket_);
  for (auto it = c.object.pages.lower_bound(running.pages.first);
       it != c.object.pages.end() && it->first < running.pages.end(); ++it) {
    ++it->second.notifies;
  }
  c.object.jobs.emplace(job.ticket, std::move(running));
  c.out.push_back(job);
  return job.ticket;
}

// One notify for a contiguous run of pages whose bar is up [F8] [D4].
Ticket Holder::drop_run(Context c, PageRun run, bool evicts) {
  RunningJob running;
  running.evicts = evicts;
  running.pages = run;
  const Ticket ticket = start_job(
      c, Job{{}, c.ino, Job::Kind::drop, offset_of(run.first), run.count * kPageSize, 0, {}},
      std::move(running));
  for (auto it = c.object.pages.lower_bound(run.first);
       it != c.object.pages.end() && it->first < run.end(); ++it) {
    if (it->second.bar && !it->second.ticket) it->second.ticket = ticket;
  }
  return ticket;
}

void Holder::owe_invalidated(Context c, PageNo number, Version version) {
  append_page(gathered_[{c.ino, version}], number);
}

void Holder::flush_invalidated(HolderEffects& out) {
  for (auto& [key, runs] : gathered_) {
    const auto it = objects_.find(key.first);
    const GroupView* group = it == objects_.end() ? nullptr : home(it->second);
    if (group == nullptr || group->epoch != key.second.epoch()) continue;  // its asker is gone
    for (PageRuns& pages : parts_of(runs, kMaxPagesNamed)) {
      out.push_back(HolderSend{group->primary, Invalidated{it->second.home, group->epoch, key.first,
                                                           key.second, std::move(pages), false}});
    }
  }
  gathered_.clear();
}

// The page's state, made where there is none: the notifies that run now cover it too.
PageState& Holder::page_at(Object& object, PageNo number) {
  const auto [it, fresh] = object.pages.try_emplace(number);
  if (fresh) {
    it->second.count_at_notify = object.forgotten_at_notify;
    for (const auto& [ticket, job] : object.jobs) it->second.notifies += job.pages.contains(number);
  }
  return it->second;
}

void Holder::raise_bar(PageState& page) {
  page.bar = true;
  page.ticket = Ticket();
  page.whole = false;
}

// Every copy that the kernel may have of the object goes, nobody waits for it.
void Holder::drop_copies(Context c) {
  PageRuns runs;
  for (auto& [number, page] : c.object.pages) {
    if (!page.copy || page.bar || page.reads > 0) continue;
    raise_bar(page);
    append_page(runs, number);
  }
  for (const PageRun& run : runs) drop_run(c, run);
}

void Holder::end_bar(Context c, PageNo number, PageState& page) {
  page.bar = false;
  page.ticket = Ticket();
  if (page.owed) owe_invalidated(c, number, page.owed);
  page.owed = Version();
}

void Holder::page_dropped(Context c, PageNo number, PageState& page, PageRuns& again) {
  if (page.whole) {  // [F7] it may have come back since the notify began
    page.whole = false;
    page.ticket = Ticket();
    append_page(again, number);
    return;
  }
  page.copy = false;
  if (planted(Planted::twin_dropped)) set_twin(page, nullptr);
  end_bar(c, number, page);
}

// Each waiting OPEN is answered; each write() of rule 8 is counted, then answered.
void Holder::release_held(Context c, RunningJob& job) {
  for (const Unique unique : job.held) {
    if (job.counts_writes) ++c.object.answered_writes;
    answer(c, unique);
  }
  job.held.clear();
  job.release = kNever;
}

void Holder::job_done(const JobDone& done, Time now, HolderEffects& out) {
  const auto it = objects_.find(done.ino);
  if (it == objects_.end()) return;
  Context c{done.ino, it->second, now, out};
  const auto found = c.object.jobs.find(done.ticket);
  if (found == c.object.jobs.end()) return;
  RunningJob job = std::move(found->second);
  c.object.jobs.erase(found);
  c.object.dropping.erase(done.ticket);
  release_held(c, job);
  PageRuns again;
  for (auto p = c.object.pages.lower_bound(job.pages.first);
       p != c.object.pages.end() && p->first < job.pages.end(); ++p) {
    PageState& page = p->second;
    DSPM_CHECK(page.notifies > 0, done.ino, p->first);
    --page.notifies;
    page.count_at_notify = c.object.answered_writes;
    if (page.bar && page.ticket == done.ticket) page_dropped(c, p->first, page, again);
    if (page.zeroed_drop == done.ticket) {
      page.zeroed = kPageSize;
      page.zeroed_drop = Ticket();
      c.object.zeroing.erase(p->first);
    }
  }
  for (const PageRun& run : again) drop_run(c, run);
  if (job.evicts) c.object.late_twins.push_back({now + kTwinLinger, job.pages});
  if (job.open) c.object.open_drop = Ticket();
  const bool missed =
      done.unknown && now < c.object.inode_until && !planted(Planted::inode_not_awaited);
  if (job.push) missed ? push_missed(c) : push_job_done(c);
  if (job.resize) resize_raised(c, job.resize);
  resize_step(c);
  pump(c);
  finish(done.ino, out);
}

void Holder::inval(NodeId from, const Inval& message, Time now, HolderEffects& out) {
  ++counters_.invalidations;
  const auto it = objects_.find(message.ino);
  if (it == objects_.end()) {  // this kernel knows nothing of the object
    out.push_back(
        HolderSend{from, Invalidated{message.group, message.epoch, message.ino, message.version,
                                     message.pages, message.header.has_value()}});
    return;
  }
  Context c{message.ino, it->second, now, out};
  if (message.header) {
    learn(c, *message.header);
    // Another's growth, which an own one that was decided after it has hidden [C4].
    c.object.push.from = std::min(c.object.push.from, c.object.push.own_from);
    c.object.push.own_from = kNoCut;
    c.object.header_owed = std::max(c.object.header_owed, message.version);
    want_push(c);
  }
  PageRuns drops;
  for (const PageRun& run : message.pages) {
    for (PageNo p = run.first; p < run.end(); ++p.value) {
      const auto known = c.object.pages.find(p);
      if (known == c.object.pages.end()) {  // never read here: nothing cached, nothing asked
        owe_invalidated(c, p, message.version);
        continue;
      }
      PageState& page = known->second;
      page.floor = std::max(page.floor, message.version);
      if (!page.bar && (page.reads > 0 || !page.copy)) {  // [B1]
        owe_invalidated(c, p, message.version);
        continue;
      }
      if (planted(Planted::bar_ignored)) {
        owe_invalidated(c, p, message.version);
      } else {
        page.owed = std::max(page.owed, message.version);
      }
      if (page.bar) continue;
      raise_bar(page);
      append_page(drops, p);
    }
  }
  for (const PageRun& run : drops) drop_run(c, run);
  resize_step(c);
  finish(message.ino, out);
}

}  // namespace dspm::dsm
