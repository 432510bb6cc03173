// FSYNC, SETATTR(size), SETATTR(times), commits by time: freeze, hand over, hear (3-protocol C1,
// C4, C6, C8, Z3-Z5).
#include <algorithm>
#include <utility>

#include "dsm/holder.h"
#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::dsm {

void Holder::enqueue(Context c, PendingCommit pending) {
  pending.deadline = pending.unique ? c.now + timeout_ : kNever;
  c.object.queue.push_back(std::move(pending));
  pump(c);
}

// [1.14] The next commit of an object waits for the decision of the one before, not for its Done.
void Holder::pump(Context c) {
  Object& object = c.object;
  while (!object.frozen && !object.queue.empty()) {
    PendingCommit pending = std::move(object.queue.front());
    object.queue.pop_front();
    const auto handle = object.handles.find(pending.handle);
    if (pending.unique && handle != object.handles.end() && handle->second) {
      if (!object.jobs.empty()) {  // [F11] answered when its pages have left the kernel
        object.queue.push_front(std::move(pending));
        break;
      }
      handle->second = pending.flush;
      answer(c, pending.unique, Status::unknown);
      continue;
    }
    // More write() bytes than one commit should have go ahead in several [P4].
    if (pending.kind != PendingCommit::Kind::early &&
        object.staged.written_bytes() > limits_.early_bytes) {
      object.queue.push_front(std::exchange(pending, {}));
      pending.kind = PendingCommit::Kind::early;
    }
    const bool frozen = freeze(c, pending);
    const std::uint64_t sequence =
        object.settling.empty() ? 0
                                : *std::max_element(object.settling.begin(), object.settling.end());
    if (pending.kind == PendingCommit::Kind::resize) {
      if (object.resize) object.resize->sequence = sequence;
    } else if (pending.unique) {  // [C6] waits for Done of all that is in flight
      object.waits.push_back({pending.unique, sequence, pending.deadline});
    }
    if (frozen) submit(c);
  }
  check_waits(c);
  resize_step(c);
}

// [C1] True if there is something to commit; it is in object.frozen then.
bool Holder::freeze(Context c, const PendingCommit& pending) {
  Object& object = c.object;
  Frozen frozen;
  switch (pending.kind) {
    case PendingCommit::Kind::sync:
      if (object.staged.empty()) return false;
      frozen.stage = std::move(object.staged);
      object.staged = Stage();
      break;
    case PendingCommit::Kind::early:
      frozen.stage = object.staged.take_written(limits_.early_bytes);
      if (frozen.stage.empty()) return false;
      break;
    case PendingCommit::Kind::resize:  // [D2] bytes and new size in one record
      frozen.stage = std::move(object.staged);
      object.staged = Stage();
      frozen.set_size = pending.size;
      frozen.stamp = pending.stamp;
      break;
    case PendingCommit::Kind::times:
      object.staged.forget_stamp();
      frozen.times = pending.times;
      break;
  }
  frozen.id = {self_, incarnation_, ++sequence_};
  object.settling.push_back(frozen.id.sequence);
  object.frozen = std::move(frozen);
  ++counters_.commits;
  return true;
}

void Holder::submit(Context c) {
  Object& object = c.object;
  Frozen& frozen = *object.frozen;
  if (!object.known) {
    c.out.push_back(ReserveCommit{object.home, frozen.id});
    return fetch_header(c);
  }
  frozen.submitted = true;
  Change change;
  change.ino = c.ino;
  change.generation = object.header.generation;
  change.extents = frozen.stage.extents();
  std::uint64_t bytes = 0;
  for (const Extent& extent : change.extents) bytes += extent.bytes.size() + kExtentOverhead;
  if (bytes > kMaxCommitBytes) return give_back(c, Status::no_space);
  // [Z4] Also below the size known by now: others may not have been told of it yet [C6].
  change.grow_to = frozen.stage.write_end();
  change.set_size = frozen.set_size;
  change.times = frozen.times;
  change.touch = std::max(frozen.stage.touch(), frozen.stamp);
  if (!planted(Planted::copies_not_listed)) {
    for (const PageNo number : frozen.stage.page_list()) {  // [F7] [D5]
      const auto page = object.pages.find(number);
      if (page != object.pages.end() && page->second.copy && !page->second.version) {
        append_page(change.unread_copies, number);
      }
    }
  }
  frozen.unread_copies = change.unread_copies;
  c.out.push_back(SubmitCommit{object.home, frozen.id, std::move(change)});
}

// [C4] At the first news of the decision: floor up, copies renamed, frozen bytes let go.
void Holder::thaw(Context c, const CommitSettled& commit) {
  Object& object = c.object;
  for (const ReplacedPage& written : commit.pages) {
    const auto it = object.pages.find(written.page);
    if (it == object.pages.end()) continue;
    PageState& page = it->second;
    page.floor = std::max(page.floor, commit.version);
    if (!page.copy) continue;
    // A copy of unknown version only if the commit listed it: one that a whole-page write() made
    // since is known to no directory [D5].
    const bool listed =
        std::any_of(object.frozen->unread_copies.begin(), object.frozen->unread_copies.end(),
                    [&](const PageRun& run) { return run.contains(written.page); });
    if (page.version ? page.version == written.replaced : written.covered && listed) {
      page.version = commit.version;
    }
  }
  const bool cut = object.frozen->set_size && object.known &&
                   commit.header.generation > object.header.generation;
  if (cut) {  // an answer from before it is not given to the kernel any more [A15]
    for (auto it = object.pages.lower_bound(page_of(*object.frozen->set_size));
         it != object.pages.end(); ++it) {
      it->second.floor = std::max(it->second.floor, commit.version);
    }
  }
  object.frozen.reset();
  // Of a commit that an earlier epoch decided no header is told: it is being fetched. Where it is
  // the first one heard in this epoch, others' growth may be in it too.
  if (commit.header.version || object.known) learn(c, commit.header, object.known);
}

void Holder::commit_settled(const CommitSettled& commit, Time now, HolderEffects& out) {
  const auto it = objects_.find(commit.ino);
  if (it == objects_.end()) return;
  Context c{commit.ino, it->second, now, out};
  Object& object = c.object;
  if (object.frozen && object.frozen->id == commit.id) thaw(c, commit);
  if (commit.done) std::erase(object.settling, commit.id.sequence);
  if (object.settling.empty()) object.push.own_from = kNoCut;
  if (object.resize && object.resize->sequence == commit.id.sequence) {
    object.resize->decided = true;
  }
  release_slowed(c);
  pump(c);
  finish(commit.ino, out);
}

// Answers whoever waits for commits that are all Done now.
void Holder::check_waits(Context c) {
  Object& object = c.object;
  const std::uint64_t oldest =
      object.settling.empty() ? kNoCount
                              : *std::min_element(object.settling.begin(), object.settling.end());
  std::vector<Unique> ready;
  std::erase_if(object.waits, [&](const CommitWait& wait) {
    if (wait.sequence >= oldest) return false;
    ready.push_back(wait.unique);
    return true;
  });
  for (const Unique unique : ready) answer(c, unique);
  if (object.resize && object.resize->sequence != 0 && object.resize->sequence < oldest) {
    object.resize->done = true;
  }
}

// [C8] Nothing committed, nothing staged lost: the frozen bytes go back under what is staged.
void Holder::give_back(Context c, Status reason) {
  Object& object = c.object;
  const std::uint64_t sequence = object.frozen->id.sequence;
  c.out.push_back(DropCommit{object.frozen->id});
  object.staged.put_back(std::move(object.frozen->stage));
  object.frozen.reset();
  std::erase(object.settling, sequence);
  std::vector<Unique> told;
  std::erase_if(object.waits, [&](const CommitWait& wait) {
    if (wait.sequence != sequence) return false;
    told.push_back(wait.unique);
    return true;
  });
  if (object.resize && object.resize->sequence == sequence) {
    told.push_back(fail_resize(c));
  }
  for (const Unique unique : told) answer(c, unique, reason);
}

// [Z3] Refused: what was learnt has cut the frozen bytes; the next attempt rests on it.
void Holder::commit_returned(Ino ino, const CommitId& id, Status reason, const Header& header,
                             Time now, HolderEffects& out) {
  ++counters_.refused;
  const auto it = objects_.find(ino);
  if (it == objects_.end()) return;
  Context c{ino, it->second, now, out};
  Object& object = c.object;
  if (!object.frozen || object.frozen->id != id) return;
  learn(c, header);
  Frozen& frozen = *object.frozen;
  const bool empty = frozen.stage.empty() && !frozen.set_size && !frozen.times;
  if (reason == Status::gone && !empty) {
    submit(c);
  } else {
    if (reason != Status::gone) {
      give_back(c, reason);
    } else {
      std::erase(object.settling, id.sequence);
      object.frozen.reset();
      out.push_back(DropCommit{id});
    }
    pump(c);
  }
  finish(ino, out);
}

// Decided, says a member; nobody knows of it any more: its pools are gone.
void Holder::commit_lost(Ino ino, const CommitId& id, Time now, HolderEffects& out) {
  const auto it = objects_.find(ino);
  if (it == objects_.end()) return;
  Context c{ino, it->second, now, out};
  std::erase(c.object.settling, id.sequence);
  std::vector<Unique> told;
  std::erase_if(c.object.waits, [&](const CommitWait& wait) {
    if (wait.sequence < id.sequence) return false;
    told.push_back(wait.unique);
    return true;
  });
  const std::optional<Resize>& resize = c.object.resize;
  if (resize && resize->sequence == id.sequence && !resize->answered) {
    told.push_back(fail_resize(c));
  }
  for (const Unique unique : told) answer(c, unique, Status::unknown);
  pump(c);
  finish(ino, out);
}

}  // namespace dspm::dsm
