// Size: learning a header, telling the kernel, SETATTR(size) (3-protocol Z6-Z9; 2-kernel rule 19).
#include <algorithm>
#include <limits>

#include "dsm/holder.h"
#include "utils/base/planted.h"

namespace dspm::dsm {
namespace {
constexpr std::uint64_t kAllPages = std::numeric_limits<std::uint64_t>::max() / kPageSize;

PageRun from_page(std::uint64_t offset) {
  const PageNo first = page_of(offset);
  return {first, kAllPages - first.value};
}
}  // namespace

// [Z6] At once: what is staged beyond a cut goes, copies given before it are marked.
void Holder::learn(Context c, const Header& header, bool own) {
  Object& object = c.object;
  if (object.known && header.version <= object.header.version) return;
  std::uint64_t cut = kNoCut;
  if (object.known || object.stale) {
    for (const Cut& one : header.cuts) {
      if (one.generation > object.header.generation) cut = std::min(cut, one.size);
    }
    const std::uint64_t old_end = std::min(object.header.size, cut);
    // [C4] An own growth is no news to this kernel: its write() has raised the size already.
    const bool news = !own || header.size > std::min(object.told, object.kernel_size);
    std::uint64_t& from = news ? object.push.from : object.push.own_from;
    if (header.size > old_end) from = std::min(from, old_end);
  }
  const bool first = !object.has_told;
  object.header = header;
  object.known = true;
  object.stale = false;
  if (cut != kNoCut) cut_here(object, cut);
  std::uint64_t written = object.staged.write_end();
  if (object.frozen) written = std::max(written, object.frozen->stage.write_end());
  if (first || planted(Planted::told_when_learnt)) {
    object.told = std::max({object.told, header.size, written});
    if (first) object.kernel_size = object.kernel_high = object.told;
    object.has_told = true;
  }
  if (cut != kNoCut) object.told = std::max(std::min(object.told, cut), written);  // [Z8]
  if (cut != kNoCut) {
    object.push.from = std::min(object.push.from, cut);
    want_push(c);
  } else if (header.size > object.told) {
    want_push(c);
  }
  if (object.frozen && !object.frozen->submitted) submit(c);
}

void Holder::cut_here(Object& object, std::uint64_t cut) {
  if (!planted(Planted::staged_not_cut)) {
    object.staged.cut(cut);
    if (object.frozen) object.frozen->stage.cut(cut);
  }
  if (planted(Planted::copies_not_marked)) return;
  for (auto it = object.pages.lower_bound(page_of(cut)); it != object.pages.end(); ++it) {
    PageState& page = it->second;
    if (!page.copy && !page.twin) continue;
    if (page.cut == kNoCut) page.uncut.reset();
    // A byte below this cut that write() put since an older one stays exempt; beyond it, none does.
    if (page.uncut)
      clear_from(*page.uncut, cut > offset_of(it->first) ? cut - offset_of(it->first) : 0);
    page.cut = std::min(page.cut, cut);
  }
}

void Holder::note_shrink(Object& object, std::uint64_t size) {
  const bool same = object.count_at_shrink == object.answered_writes;
  object.shrunk_to = same ? std::min(object.shrunk_to, size) : size;
  object.count_at_shrink = object.answered_writes;
  if (size % kPageSize == 0) return;  // whole pages leave the kernel
  PageState& page = page_at(object, page_of(size));
  page.zeroed = std::min<std::size_t>(page.zeroed, size % kPageSize);
  page.zeroed_drop = Ticket();
  object.zeroing.insert(page_of(size));
}

// The kernel knows its size, whoever cuts its pages has set out: a notify that begins now takes the
// page's lock after him, and what the page has lost by the cut goes with it.
void Holder::end_zeroing(Context c) {
  for (const PageNo number : c.object.zeroing) {
    PageState& page = c.object.pages.at(number);
    if (page.zeroed_drop) continue;
    if (page.copy && !page.bar && page.reads == 0) raise_bar(page);
    page.zeroed_drop = drop_run(c, {number, 1});
  }
}

void Holder::want_push(Context c) {
  c.object.push.wanted = true;
  start_push(c);
}

// [Z8] One at a time; not while a SETATTR is between its request and its answer [Z9].
void Holder::start_push(Context c) {
  Object& object = c.object;
  Push& push = object.push;
  const bool setattr =
      (object.resize || object.setattrs > 0) && !planted(Planted::push_during_setattr);
  if (push.phase != Push::Phase::none) return;
  if (!push.wanted) return end_zeroing(c);
  if (setattr || !object.known || c.now < push.not_before) return;
  push.not_before = Time{};
  const std::uint64_t size = object.header.size;
  if (c.now < object.cutting_until && size > object.told) return;  // tick() comes back to it
  push.wanted = false;
  push.undone = false;
  push.grows =
      size > std::min(object.kernel_size, object.told) || (push.from != kNoCut && size > push.from);
  if (planted(Planted::push_not_awaited)) finish_push(c);
  RunningJob running;
  running.push = true;
  if (push.grows) {
    push.phase = Push::Phase::voiding;
    push.ticket = start_job(c, Job{{}, c.ino, Job::Kind::void_attrs, 0, 0, 0, {}}, running);
  } else if (push.from != kNoCut) {
    push.phase = Push::Phase::dropping;
    push.version = object.header.version;
    running.pages = from_page(push.from);
    const Job job{{}, c.ino,       Job::Kind::shrink,   offset_of(running.pages.first),
                  0,  object.told, object.setattr_ctime};
    push.from = kNoCut;
    object.kernel_size = std::min(object.kernel_size, object.told);
    object.kernel_high = object.told;
    note_shrink(object, object.told);
    push.ticket = start_job(c, job, std::move(running));
  } else {
    push.version = object.header.version;
    finish_push(c);  // the kernel knows it
  }
}

// A LOOKUP is answered and its inode not made yet: the answer names an older size. Told again, and
// the header's Invalidated is owed until then.
void Holder::push_missed(Context c) {
  Push& push = c.object.push;
  push.phase = Push::Phase::none;
  push.undone = false;
  push.wanted = true;
  push.not_before = c.now + kPushRetry;
  push.from = std::min({push.from, c.object.kernel_size, c.object.told});
  answer_attrs(c);
}

void Holder::push_job_done(Context c) {
  Object& object = c.object;
  Push& push = object.push;
  if (push.phase == Push::Phase::dropping) return finish_push(c);
  if (push.phase != Push::Phase::voiding) return;
  if (push.undone) {
    push.phase = Push::Phase::none;
    push.wanted = true;
    return start_push(c);
  }
  const std::uint64_t size = object.header.size;
  std::uint64_t old_end = std::min({push.from, object.kernel_size, object.told});  // [1.13]
  if (planted(Planted::old_end_stays)) old_end = size;
  push.phase = Push::Phase::dropping;
  push.version = object.header.version;
  push.from = kNoCut;
  if (!planted(Planted::told_when_pushed)) object.told = std::max(object.told, size);
  object.kernel_high = std::max(object.kernel_high, size);
  RunningJob running;
  running.push = true;
  running.pages = from_page(old_end);
  const Job job{{},
                c.ino,
                Job::Kind::raise_size,
                offset_of(running.pages.first),
                0,
                size,
                planted(Planted::late_setattr_ignored) ? std::nullopt : object.setattr_ctime};
  push.ticket = start_job(c, job, std::move(running));
}

void Holder::finish_push(Context c) {
  Object& object = c.object;
  Push& push = object.push;
  push.phase = Push::Phase::none;
  if (push.undone) {  // [1.15] the answer of a SETATTR may have undone it
    push.undone = false;
    push.wanted = true;
    push.from = std::min({push.from, object.kernel_size, object.told});
    answer_attrs(c);
    return start_push(c);
  }
  if (push.grows && object.header.version == push.version) {
    object.told = std::max(object.told, object.header.size);
    object.kernel_size = std::max(object.kernel_size, object.header.size);
    if (object.kernel_high > object.told) {  // [2-kernel rule 19] cut and grown in one
      push.from = std::min(push.from, object.told);
      push.wanted = true;
    }
  }
  const GroupView* group = home(object);
  if (object.header_owed && object.header_owed <= push.version && group != nullptr) {
    c.out.push_back(HolderSend{
        group->primary, Invalidated{object.home, group->epoch, c.ino, push.version, {}, true}});
    object.header_owed = Version();
  }
  if (object.header_owed || object.header.version > push.version) push.wanted = true;
  answer_attrs(c);
  if (!planted(Planted::push_not_awaited)) start_push(c);
  resize_step(c);
}

// [Z9] When SETATTR(size) may be answered: everywhere visible; or decided, while something here
// cannot go on without the answer (2-kernel: it holds back every WRITE of the object).
void Holder::resize_step(Context c) {
  if (!c.object.resize) return;
  Resize& resize = *c.object.resize;
  if (resize.answered || resize.raising || resize.sequence == 0) return;
  // Only what somebody elsewhere waits for counts, a new primary for Dropped included: drops of
  // this node's own hold up nobody.
  bool held = c.object.header_owed != Version() || drops_.contains(c.object.home);
  for (auto it = c.object.pages.begin(); !held && it != c.object.pages.end(); ++it) {
    held = it->second.bar && it->second.owed;
  }
  const bool early = resize.decided && held;  // [1.14]
  if (resize.done || early || planted(Planted::truncate_answered_early)) {
    // [1.16] Where a copy reaches beyond the new size the kernel must see its size change.
    std::uint64_t end = 0;
    for (auto it = c.object.pages.lower_bound(page_of(resize.size)); it != c.object.pages.end();
         ++it) {
      if (it->second.copy || it->second.reads > 0) end = offset_of(it->first) + kPageSize;
    }
    if (end <= resize.size) return answer_resize(c);
    resize.raising = true;
    RunningJob running;
    running.resize = resize.unique;
    // On a page that this kernel cannot have, and dropping none: neither may meet a dirty page,
    // whose WRITE waits for this very answer.
    const std::uint64_t beyond =
        std::min(std::max(end, c.object.kernel_high) + kPageSize, kMaxObjectSize - 1);
    c.object.kernel_high = std::max(c.object.kernel_high, beyond + 1);
    start_job(c, Job{{}, c.ino, Job::Kind::raise_size, kMaxObjectSize, 0, beyond + 1, {}},
              std::move(running));
  }
}

// A raise whose SETATTR has been answered with an error meanwhile is undone by a push.
void Holder::resize_raised(Context c, Unique setattr) {
  if (c.object.resize && c.object.resize->unique == setattr) return answer_resize(c);
  c.object.push.from = std::min(c.object.push.from, c.object.told);
  want_push(c);
}

// It is answered with an error, by the caller; its SetattrAnswered comes with ctime 0.
Unique Holder::fail_resize(Context c) {
  const Unique unique = c.object.resize->unique;
  c.object.resize.reset();
  ++c.object.setattrs;
  answer_attrs(c);
  return unique;
}

void Holder::answer_resize(Context c) {
  Object& object = c.object;
  Resize& resize = *object.resize;
  resize.raising = false;
  if (resize.answered) return;
  resize.answered = true;
  ++object.setattrs;
  // [1.15] It names its own size; but what has been cut since is not told again [1.7].
  std::uint64_t view = std::max(object.header.size, object.staged.write_end());
  if (object.frozen) view = std::max(view, object.frozen->stage.write_end());
  object.told = object.known ? std::min(resize.size, view) : resize.size;
  if (planted(Planted::truncate_answered_early)) object.told = resize.size;
  object.has_told = true;
  if (object.told < resize.size) {
    object.push.from = std::min(object.push.from, object.told);
    object.push.wanted = true;
  }
  resize.low = object.kernel_size;
  resize.high = object.kernel_high;
  object.kernel_size = object.kernel_high = resize.size;
  if (object.push.phase != Push::Phase::none) {  // what it raises to may still come
    object.push.undone = true;
    object.kernel_high = std::max(resize.size, resize.high);
  }
  AttrAnswer answer{resize.unique, resize.size, {}};
  c.out.push_back(KernelAnswer{std::move(answer)});
  answer_attrs(c);
}

void Holder::setattr_answered(Context c, const SetattrAnswered& event) {
  Object& object = c.object;
  if (object.setattrs > 0) --object.setattrs;
  if (event.ctime.ns != 0) object.setattr_ctime = event.ctime;
  if (object.resize && object.resize->answered) {
    const bool applied = event.ctime.ns != 0;
    if (applied) {
      object.cutting_until = c.now + kCuttingTime;
    } else {  // decided, and answered with an error: the kernel has the size that it had
      object.kernel_size = std::min(object.kernel_size, object.resize->low);
      object.kernel_high = std::max(object.kernel_high, object.resize->high);
      object.push.from = std::min(object.push.from, object.resize->size);
    }
    object.resize.reset();
    const bool same = applied && object.known && object.header.size == object.told;
    if (same && !object.header_owed && object.push.phase == Push::Phase::none) {
      object.push.wanted = false;  // the answer told the size that is
      object.push.from = kNoCut;
    } else {
      object.push.wanted = true;
    }
  }
  start_push(c);
  pump(c);
}

}  // namespace dspm::dsm
