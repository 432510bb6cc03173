#include "dsm/holder.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::dsm {

void Holder::object_learnt(Ino ino, GroupId home) {
  Object& object = objects_[ino];
  object.home = home;
  object.forgotten = false;
}

const ObjectState* Holder::find(Ino ino) const {
  const auto it = objects_.find(ino);
  return it == objects_.end() ? nullptr : &it->second;
}

std::vector<Ino> Holder::objects() const {
  std::vector<Ino> out;
  for (const auto& [ino, object] : objects_) out.push_back(ino);
  return out;
}

void Holder::answer(Context c, Unique unique, Status status) {
  if (unique) c.out.push_back(KernelAnswer{PlainAnswer{unique, status}});
}

namespace {
// Requests that the kernel sends with the inode lock held: the one that held it before is through.
template <class Request>
bool holds_inode_lock(const Request& request) {
  if constexpr (std::is_same_v<Request, WriteRequest>) return !request.mapped;
  if constexpr (std::is_same_v<Request, AttrRequest>) return false;
  return std::is_same_v<Request, ResizeRequest> || std::is_same_v<Request, TimesRequest>;
}
}  // namespace

void Holder::kernel(const KernelEvent& event, Time now, HolderEffects& out) {
  std::visit(
      [&](const auto& request) {
        using Request = std::decay_t<decltype(request)>;
        const auto it = objects_.find(request.ino);
        if (it == objects_.end()) return;  // forgotten meanwhile; nothing waits for it
        Context c{request.ino, it->second, now, out};
        if (holds_inode_lock(request)) c.object.cutting_until = now;
        if constexpr (std::is_same_v<Request, ReadRequest>) {
          read(c, request);
        } else if constexpr (std::is_same_v<Request, WriteRequest>) {
          write(c, request);
        } else if constexpr (std::is_same_v<Request, OpenRequest>) {
          open(c, request);
        } else if constexpr (std::is_same_v<Request, ReleaseRequest>) {
          release(c, request);
        } else if constexpr (std::is_same_v<Request, SyncRequest>) {
          PendingCommit pending;
          pending.unique = request.unique;
          pending.handle = request.handle;
          pending.flush = request.flush;
          enqueue(c, std::move(pending));
        } else if constexpr (std::is_same_v<Request, ResizeRequest>) {
          PendingCommit pending;
          pending.kind = PendingCommit::Kind::resize;
          pending.unique = request.unique;
          pending.size = request.size;
          pending.stamp = request.stamp;
          c.object.resize = Resize{};
          c.object.resize->unique = request.unique;
          c.object.resize->size = request.size;
          c.object.resize->deadline = now + timeout_;
          enqueue(c, std::move(pending));
        } else if constexpr (std::is_same_v<Request, TimesRequest>) {
          PendingCommit pending;
          pending.kind = PendingCommit::Kind::times;
          pending.unique = request.unique;
          pending.times = request.times;
          enqueue(c, std::move(pending));
        } else if constexpr (std::is_same_v<Request, AttrRequest>) {
          attr_request(c, request);
        } else if constexpr (std::is_same_v<Request, SetattrAnswered>) {
          setattr_answered(c, request);
        } else {
          static_assert(std::is_same_v<Request, Forgotten>);
          forgotten(request.ino);
        }
      },
      event);
  finish(std::visit([](const auto& request) { return request.ino; }, event), out);
}

// The kernel has neither inode nor pages: bars end, and nothing is remembered but what is staged.
void Holder::forgotten(Ino ino) {
  const auto it = objects_.find(ino);
  if (it == objects_.end()) return;
  Object& object = it->second;
  if (object.attrs.empty()) object.inode_until = Time{};
  object.forgotten = object.attrs.empty();  // else a LOOKUP is about to tell the kernel of it
  forget_idle(it);
}

void Holder::forget_idle(std::map<Ino, Object>::iterator it) {
  Object& object = it->second;
  const bool idle = object.staged.empty() && !object.frozen && object.settling.empty() &&
                    object.queue.empty() && object.waits.empty() && object.jobs.empty() &&
                    object.reads.empty() && object.attrs.empty() && object.opens == 0 &&
                    !object.header_owed;
  const bool bars = std::any_of(object.pages.begin(), object.pages.end(),
                                [](const auto& p) { return p.second.bar; });
  if (!idle || bars) return;
  forget_twins(object);
  busy_.erase(it->first);
  objects_.erase(it);
}

// ---- OPEN, RELEASE

void Holder::open(Context c, const OpenRequest& request) {
  Object& object = c.object;
  ++object.opens;
  object.handles.emplace(request.handle, false);
  if (!request.writable) return answer(c, request.unique);
  ++object.writable_opens;  // [F4] from when it is taken up
  object.twins_until = kNever;
  if (object.writable_opens == 1 && !object.open_drop) {
    const bool cached = std::any_of(object.pages.begin(), object.pages.end(),
                                    [](const auto& p) { return p.second.copy && !p.second.twin; });
    if (cached) {  // they have no twin
      RunningJob running;
      running.open = true;
      running.pages = {PageNo(0), std::numeric_limits<std::uint64_t>::max() / kPageSize};
      object.open_drop =
          start_job(c, Job{{}, c.ino, Job::Kind::drop, 0, 0, 0, {}}, std::move(running));
    }
  }
  if (!object.open_drop) return answer(c, request.unique);
  object.jobs.at(object.open_drop).held.push_back(request.unique);
}

void Holder::release(Context c, const ReleaseRequest& request) {
  Object& object = c.object;
  if (object.opens > 0) --object.opens;
  object.handles.erase(request.handle);
  if (request.writable && object.writable_opens > 0 && --object.writable_opens == 0) {
    object.twins_until = c.now + kTwinRetention;  // 2-kernel rule 7
  }
  answer(c, request.unique);
  if (object.opens == 0 && !object.staged.empty()) {  // contract: last close and munmap
    enqueue(c, PendingCommit{});
  }
}

// ---- attributes

void Holder::send_fetch_attr(Context c, std::uint64_t request) {
  const GroupView* group = home(c.object);
  if (group == nullptr) return;  // ask_again() does it
  c.out.push_back(
      HolderSend{group->primary, FetchAttr{c.object.home, group->epoch, c.ino, request}});
}

void Holder::attr_request(Context c, const AttrRequest& request) {
  const std::uint64_t number = ++request_;
  c.object.attrs[number] = {request, std::nullopt, c.now + timeout_};
  send_fetch_attr(c, number);
}

void Holder::attr(const Attr& message, Time now, HolderEffects& out) {
  const auto it = objects_.find(message.ino);
  if (it == objects_.end()) return;
  Context c{message.ino, it->second, now, out};
  const auto waiting = c.object.attrs.find(message.request);
  const bool fetched = c.object.fetching_header && message.request == c.object.header_request;
  if (waiting == c.object.attrs.end() && !fetched) return;  // an old answer [M1]
  learn(c, message.header);
  if (fetched) c.object.fetching_header = false;
  if (waiting != c.object.attrs.end()) waiting->second.times = message.times;
  answer_attrs(c);
  start_waiting_reads(c);
  pump(c);
  finish(message.ino, out);
}

// [Z8] What comes while a size is being told is answered after; a SETATTR's answer does not meet a
// push at all [Z9], but for that of a SETATTR(size), which waits for nothing.
void Holder::answer_attrs(Context c) {
  Object& object = c.object;
  bool shrinks = false;
  const Push& push = object.push;
  for (auto it = object.attrs.begin(); it != object.attrs.end();) {
    const AttrInFlight& waiting = it->second;
    const bool of_resize = waiting.request.setattr && object.resize && object.resize->answered;
    const bool telling = (push.phase == Push::Phase::dropping && push.grows) ||
                         (object.resize && object.resize->raising);  // [1.16]
    const bool held = waiting.request.setattr ? push.phase != Push::Phase::none : telling;
    if (!waiting.times || (held && !of_resize)) {
      ++it;
      continue;
    }
    if (waiting.request.setattr && !of_resize) ++object.setattrs;
    if (!waiting.request.setattr) object.inode_until = c.now + kInodeTime;
    AttrAnswer answer = compose(object, waiting);
    const bool shrinking = push.phase == Push::Phase::dropping && !push.grows;
    if (answer.size < object.kernel_high || shrinking) {
      note_shrink(object, answer.size);
      shrinks = true;
    }
    c.out.push_back(KernelAnswer{std::move(answer)});
    it = object.attrs.erase(it);
  }
  if (shrinks) start_push(c);
}

AttrAnswer Holder::compose(const Object& object, const AttrInFlight& attr) const {
  AttrAnswer answer{attr.request.unique, object.told, *attr.times};
  if (attr.request.setattr && object.resize && object.resize->answered) {
    answer.size = object.resize->size;  // [1.15]
  }
  const auto lay_over = [&](const Stage& stage) {  // [2-kernel rule 17]
    if (stage.touch()) {
      answer.times.mtime = std::max(answer.times.mtime.value_or(WallTime()), *stage.touch());
      answer.times.ctime = std::max(answer.times.ctime.value_or(WallTime()), *stage.touch());
    }
    answer.times.blocks += stage.page_count();
  };
  if (object.frozen) lay_over(object.frozen->stage);
  lay_over(object.staged);
  const std::uint64_t pages = (answer.size + kPageSize - 1) / kPageSize;
  answer.times.blocks = std::min(answer.times.blocks, pages);
  return answer;
}

// ---- peers and time

void Holder::ask_again(GroupId group, Time now, HolderEffects& out) {
  for (auto& [ino, object] : objects_) {
    if (object.home != group) continue;
    Context c{ino, object, now, out};
    if (object.fetching_header) send_fetch_attr(c, object.header_request);
    for (const auto& [number, waiting] : object.attrs) {
      if (!waiting.times) send_fetch_attr(c, number);
    }
    for (auto& [unique, read] : object.reads) {
      if (read.started) fetch_missing(c, read);
    }
  }
}

void Holder::peer_up(NodeId peer, Time now, HolderEffects& out) {
  if (planted(Planted::no_resend)) return;
  for (const auto& [group, view] : groups_.all()) {
    if (view.primary == peer) ask_again(group, now, out);
  }
}

void Holder::tick(Time now, HolderEffects& out) {
  const std::vector<Ino> busy(busy_.begin(), busy_.end());
  for (const Ino ino : busy) {
    timeouts(Context{ino, objects_.at(ino), now, out});
    finish(ino, out);
  }
}

// The end of each event of an object: what was gathered leaves; whether time or a peer matters to
// it.
void Holder::finish(Ino ino, HolderEffects& out) {
  flush_invalidated(out);
  auto it = objects_.find(ino);
  if (it != objects_.end()) count_staged(it->second);
  if (it != objects_.end() && it->second.forgotten) {
    forget_idle(it);
    it = objects_.find(ino);
  }
  if (!drops_.empty()) check_drops(out);
  const bool busy =
      it != objects_.end() && (waits_for_peer(it->second) || deadline_of(it->second) != kNever);
  if (busy) {
    busy_.insert(ino);
  } else {
    busy_.erase(ino);
  }
}

// [C8] [L9] Nothing waits for ever: EIO, outcome unknown; what is frozen stays and goes on.
void Holder::timeouts(Context c) {
  Object& object = c.object;
  std::vector<Unique> late;
  for (auto it = object.reads.begin(); it != object.reads.end();) {
    if (it->second.deadline > c.now) {
      ++it;
      continue;
    }
    end_reads(object, it->second.request);
    late.push_back(it->first);
    it = object.reads.erase(it);
  }
  std::erase_if(object.attrs, [&](const auto& entry) {
    if (entry.second.deadline > c.now) return false;
    late.push_back(entry.second.request.unique);
    if (entry.second.request.setattr && !(object.resize && object.resize->answered)) {
      ++object.setattrs;  // its SetattrAnswered comes with the error
    }
    return true;
  });
  std::erase_if(object.waits, [&](const CommitWait& wait) {
    if (wait.deadline > c.now) return false;
    late.push_back(wait.unique);
    return true;
  });
  for (PendingCommit& pending : object.queue) {
    if (pending.deadline > c.now || pending.kind == PendingCommit::Kind::resize) continue;
    late.push_back(pending.unique);
    pending.unique = Unique();
    pending.deadline = kNever;
  }
  if (object.resize && !object.resize->answered && object.resize->deadline <= c.now) {
    std::erase_if(object.queue, [](const PendingCommit& pending) {
      return pending.kind == PendingCommit::Kind::resize;
    });
    late.push_back(fail_resize(c));
  }
  for (const Unique unique : late) {
    ++counters_.timeouts;
    answer(c, unique, Status::unknown);
  }
  for (auto& [ticket, job] : object.jobs) {
    if (job.release <= c.now) release_held(c, job);
  }
  if (object.staged.oldest_write() && *object.staged.oldest_write() + kEarlyCommitAge <= c.now) {
    early_commit(c);
  }
  release_slowed(c);
  drop_late_twins(c);
  if (object.push.wanted) start_push(c);
  if (object.twins_until <= c.now) {
    object.twins_until = kNever;
    for (auto& [number, page] : object.pages) set_twin(page, nullptr);
  }
}

Time Holder::deadline_of(const Object& object) {
  Time next = kNever;
  const auto at = [&](Time t) { next = std::min(next, t); };
  for (const auto& [unique, read] : object.reads) at(read.deadline);
  for (const auto& [number, waiting] : object.attrs) at(waiting.deadline);
  for (const CommitWait& wait : object.waits) at(wait.deadline);
  for (const PendingCommit& pending : object.queue) at(pending.deadline);
  if (object.resize && !object.resize->answered) at(object.resize->deadline);
  for (const auto& [ticket, job] : object.jobs) at(job.release);
  const bool queued = std::any_of(object.queue.begin(), object.queue.end(), [](const auto& p) {
    return p.kind == PendingCommit::Kind::early;
  });
  if (object.staged.oldest_write() && !queued) {
    at(*object.staged.oldest_write() + kEarlyCommitAge);
  }
  at(object.twins_until);
  if (!object.late_twins.empty()) at(object.late_twins.front().at);
  if (!object.slowed.empty()) at(object.slowed.front().at);
  if (object.push.wanted && object.push.phase == Push::Phase::none && object.setattrs == 0 &&
      !object.resize && object.known) {
    const bool grows = object.header.size > object.told;
    const Time begins = std::max(object.push.not_before, grows ? object.cutting_until : Time{});
    if (begins != Time{}) at(begins);
  }
  return next;
}

bool Holder::waits_for_peer(const Object& object) {
  return !object.reads.empty() || !object.attrs.empty() || !object.settling.empty();
}

Time Holder::next_deadline() const {
  Time next = kNever;
  for (const Ino ino : busy_) next = std::min(next, deadline_of(objects_.at(ino)));
  return next;
}

bool Holder::owed() const {
  return std::any_of(busy_.begin(), busy_.end(),
                     [&](Ino ino) { return waits_for_peer(objects_.at(ino)); });
}

void Holder::check_invariants() const {
  std::uint64_t twins = 0, leaving = 0, staged = 0;
  for (const Ino ino : busy_) DSPM_CHECK(objects_.contains(ino), ino);
  for (const auto& [ino, object] : objects_) {
    DSPM_CHECK(busy_.contains(ino) || deadline_of(object) == kNever, ino);
    for (const auto& [number, page] : object.pages) {
      DSPM_CHECK(!page.owed || page.bar || planted(Planted::bar_ignored), ino, number);
      DSPM_CHECK(!page.bar || object.jobs.contains(page.ticket), ino, number, page.ticket);
      DSPM_CHECK(page.reads == 0 || !object.reads.empty(), ino, number, page.reads);
      twins += page.twin != nullptr;
      leaving += page.leaving;
    }
    staged += object.staged.page_count() + (object.frozen ? object.frozen->stage.page_count() : 0);
    DSPM_CHECK(object.writable_opens <= object.opens, ino);
    if (object.frozen) {
      DSPM_CHECK(std::find(object.settling.begin(), object.settling.end(),
                           object.frozen->id.sequence) != object.settling.end(),
                 ino);
    }
  }
  DSPM_CHECK(twins == twins_ && leaving == leaving_, twins, twins_, leaving, leaving_);
  DSPM_CHECK(staged == staged_, staged, staged_);
}

}  // namespace dspm::dsm
