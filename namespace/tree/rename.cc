#include "namespace/tree/rename.h"

#include <sys/stat.h>

#include <algorithm>

namespace dspm::names {
namespace {

// Whoever moves a directory to another parent rewrites it: two such renames never cross.
constexpr const char* kRenameKey = "cfg/rename";
constexpr int kMaxDepth = 100'000;

// What one snapshot says of a rename.
struct Seen {
  Inode from_dir, to_dir, child;
  const Entry* entry = nullptr;   // of the old name
  const Entry* target = nullptr;  // of the new name; null = free
  Inode replaced;                 // with target
};

Result<Seen> look(const RenameRequest& r, const Snapshot& snapshot) {
  Seen seen;
  Result<Inode> from_dir = read_directory(snapshot, r.from_dir);
  if (!from_dir) return from_dir.error();
  Result<Inode> to_dir = read_directory(snapshot, r.to_dir);
  if (!to_dir) return to_dir.error();
  seen.from_dir = *from_dir;
  seen.to_dir = *to_dir;
  seen.entry = snapshot.find(name_key(r.from_dir, r.from));
  if (seen.entry == nullptr) return Error{Status::no_entry, ""};
  Result<DirEntry> child = decode_entry(seen.entry->value);
  if (!child) return child.error();
  Result<Inode> inode = read_inode(snapshot, child->ino);
  if (!inode) return inode.error();
  seen.child = *inode;
  seen.target = snapshot.find(name_key(r.to_dir, r.to));
  if (seen.target == nullptr) return seen;
  Result<DirEntry> other = decode_entry(seen.target->value);
  if (!other) return other.error();
  Result<Inode> replaced = read_inode(snapshot, other->ino);
  if (!replaced) return replaced.error();
  seen.replaced = *replaced;
  return seen;
}

Error check_target(const RenameRequest& r, const Seen& seen) {
  if (seen.target == nullptr) return {};
  if (r.how == RenameRequest::How::no_replace) return {Status::exists, ""};
  if (seen.child.is_directory() && !seen.replaced.is_directory()) {
    return {Status::not_directory, ""};
  }
  if (!seen.child.is_directory() && seen.replaced.is_directory()) {
    return {Status::is_directory, ""};
  }
  if (seen.replaced.is_directory() && seen.replaced.entries > 0) return {Status::not_empty, ""};
  return {};
}

Op add(Ino dir, std::int64_t entries, std::int64_t nlink, WallTime stamp) {
  return {Op::Kind::add, inode_key(dir), {}, {entries, nlink, stamp}};
}

// [10-names] Whoever gives a directory another parent rewrites `cfg/rename`. Errors: busy.
Error guard_parents(Txn& txn, const RenameRequest& r, const Snapshot& snapshot, const Seen& seen) {
  if (r.from_dir == r.to_dir) return {};
  const bool exchange = r.how == RenameRequest::How::exchange;
  const Ino moved = seen.child.is_directory() ? seen.child.ino : Ino();
  const Ino other = exchange && seen.replaced.is_directory() ? seen.replaced.ino : Ino();
  if (!moved && !other) return {};
  const Entry* lock = snapshot.find(kRenameKey);
  const Rev rev = lock ? lock->rev : 0;
  if (moved != r.checked || other != r.checked_other || rev != r.checked_at) {
    return {Status::busy, "another directory moved: check again"};
  }
  txn.guards.push_back({lock ? Guard::Is::at : Guard::Is::absent, kRenameKey, rev});
  const Ino last = moved ? moved : other;
  txn.ops.push_back({Op::Kind::put, kRenameKey, std::to_string(last.value), {}});
  return {};
}

// What `inode` becomes in `parent`.
Op put_moved(Inode inode, Ino parent, WallTime stamp) {
  inode.ctime = later(stamp, inode.ctime);
  if (inode.is_directory()) inode.parent = parent;
  return {Op::Kind::put, inode_key(inode.ino), encode(inode), {}};
}

void guard_at(Txn& txn, const Entry& entry) {
  txn.guards.push_back({Guard::Is::at, entry.key, entry.rev});
}

// The directories' counts, from what the new and the old one gain.
void append_counts(Txn& txn, const RenameRequest& r, std::int64_t entries, std::int64_t links,
                   std::int64_t old_entries, std::int64_t old_links) {
  txn.guards.push_back({Guard::Is::present, inode_key(r.from_dir), 0});
  txn.guards.push_back({Guard::Is::present, inode_key(r.to_dir), 0});
  if (r.from_dir == r.to_dir) {
    txn.ops.push_back(add(r.to_dir, entries + old_entries, links + old_links, r.stamp));
  } else {
    txn.ops.push_back(add(r.from_dir, old_entries, old_links, r.stamp));
    txn.ops.push_back(add(r.to_dir, entries, links, r.stamp));
  }
}

Txn build_move(const RenameRequest& r, const Snapshot& snapshot, const Seen& seen) {
  Txn txn;
  const std::int64_t links = seen.child.is_directory() ? 1 : 0;
  const Key to = name_key(r.to_dir, r.to);
  std::int64_t gained = 1, gained_links = links;
  guard_at(txn, *seen.entry);
  guard_at(txn, *snapshot.find(inode_key(seen.child.ino)));
  if (seen.target == nullptr) {
    txn.guards.push_back({Guard::Is::absent, to, 0});
  } else {
    guard_at(txn, *seen.target);
    guard_at(txn, *snapshot.find(inode_key(seen.replaced.ino)));
    append_unlink(txn, seen.replaced, r.stamp);
    --gained;
    if (seen.replaced.is_directory()) --gained_links;
  }
  txn.ops.push_back({Op::Kind::erase, seen.entry->key, {}, {}});
  // A name that was there keeps its cursor: no listing misses it or gives it twice.
  txn.ops.push_back({Op::Kind::put, to, seen.entry->value, {}});
  txn.ops.push_back(put_moved(seen.child, r.to_dir, r.stamp));
  append_counts(txn, r, gained, gained_links, -1, -links);
  return txn;
}

Txn build_exchange(const RenameRequest& r, const Snapshot& snapshot, const Seen& seen) {
  Txn txn;
  for (const Entry* entry : {seen.entry, seen.target}) guard_at(txn, *entry);
  for (const Inode* inode : {&seen.child, &seen.replaced}) {
    guard_at(txn, *snapshot.find(inode_key(inode->ino)));
  }
  txn.ops.push_back({Op::Kind::put, seen.entry->key, seen.target->value, {}});
  txn.ops.push_back({Op::Kind::put, seen.target->key, seen.entry->value, {}});
  txn.ops.push_back(put_moved(seen.child, r.to_dir, r.stamp));
  txn.ops.push_back(put_moved(seen.replaced, r.from_dir, r.stamp));
  const std::int64_t links =
      std::int64_t(seen.child.is_directory()) - std::int64_t(seen.replaced.is_directory());
  append_counts(txn, r, 0, links, 0, -links);
  return txn;
}

Result<Txn> build(const RenameRequest& r, const Snapshot& snapshot) {
  Result<Seen> seen = look(r, snapshot);
  if (!seen) return seen.error();
  const bool exchange = r.how == RenameRequest::How::exchange;
  if (exchange && seen->target == nullptr) return Error{Status::no_entry, ""};
  if (!exchange) {
    if (Error bad = check_target(r, *seen); bad.status != Status::ok) return bad;
  }
  if (seen->target != nullptr && seen->replaced.ino == seen->child.ino) return Txn();  // rename(2)
  Txn txn = exchange ? build_exchange(r, snapshot, *seen) : build_move(r, snapshot, *seen);
  if (Error bad = guard_parents(txn, r, snapshot, *seen); bad.status != Status::ok) return bad;
  return txn;
}

// From the beginning, where the check for cycles no longer counts.
void again(const std::shared_ptr<TreeContext>& context, const RenameRequest& r,
           Tree::OutcomeDone done) {
  if (context->options.now() < r.deadline) return start_rename(context, r, std::move(done));
  done(Error{Status::timed_out, "names: directories keep moving"});
}

void transact(const std::shared_ptr<TreeContext>& context, const RenameRequest& r,
              Tree::OutcomeDone done) {
  Operation op;
  op.keys = {name_key(r.from_dir, r.from), name_key(r.to_dir, r.to), inode_key(r.from_dir),
             inode_key(r.to_dir), kRenameKey};
  op.more = [r](const Snapshot& seen) {
    return keys_of_children(seen, {name_key(r.from_dir, r.from), name_key(r.to_dir, r.to)});
  };
  op.build = [r](const Snapshot& seen) { return build(r, seen); };
  op.done = [context, r, done = std::move(done)](Result<Rev> rev) {
    if (rev.status() == Status::busy) return again(context, r, done);
    done(rev ? Outcome(Done{}) : Outcome(rev.error()));
  };
  run(context, std::move(op));
}

// Climbs from each new parent to the root; a rename that meets the moved directory is refused. Not
// one snapshot: `cfg/rename` has not changed if the transaction goes through, so no parent has.
struct Climb : std::enable_shared_from_this<Climb> {
  struct Way {
    Ino moved, parent;
  };
  std::shared_ptr<TreeContext> context;
  RenameRequest request;
  Tree::OutcomeDone done;
  std::vector<Way> ways;  // still to be climbed, the last first
  int steps = 0;

  void next() {
    if (ways.empty()) return transact(context, request, done);
    from(ways.back().parent);
  }
  void from(Ino dir) {
    if (dir == ways.back().moved) {
      return done(Error{Status::invalid, "a directory cannot move into itself"});
    }
    if (dir == kRootIno) {
      ways.pop_back();
      return next();
    }
    if (++steps > kMaxDepth) return done(Error{Status::too_large, "directories too deep"});
    context->store.get({inode_key(dir)}, [self = shared_from_this(), dir](Result<Snapshot> seen) {
      if (self->context->closed) return;
      if (!seen) return self->done(seen.error());
      Result<Inode> inode = read_directory(*seen, dir);
      if (inode) return self->from(inode->parent);
      // Above the new parent: the way up has moved, and the old one was removed.
      if (inode.status() == Status::gone && dir != self->ways.back().parent) {
        return again(self->context, self->request, self->done);
      }
      self->done(inode.error());
    });
  }
};

// The directory that `name` means; 0 where it means none. Errors: corrupt.
Result<Ino> directory_at(const Snapshot& seen, const Key& name) {
  const Entry* entry = seen.find(name);
  if (entry == nullptr) return Ino();
  Result<DirEntry> child = decode_entry(entry->value);
  if (!child) return child.error();
  return S_ISDIR(child->type) ? child->ino : Ino();
}

}  // namespace

void start_rename(const std::shared_ptr<TreeContext>& context, RenameRequest request,
                  Tree::OutcomeDone done) {
  if (request.deadline == kNever) request.deadline = context->deadline();
  if (request.from_dir == request.to_dir) return transact(context, request, std::move(done));
  const Key from = name_key(request.from_dir, request.from);
  const Key to = name_key(request.to_dir, request.to);
  const auto seen_names = [context, request, done, from, to](Result<Snapshot> seen) {
    if (context->closed) return;
    if (!seen) return done(seen.error());
    // Whatever is wrong here the transaction finds out too, and says it properly.
    const Result<Ino> moved = directory_at(*seen, from);
    const Result<Ino> other =
        request.how == RenameRequest::How::exchange ? directory_at(*seen, to) : Result<Ino>(Ino());
    auto climb = std::make_shared<Climb>();
    climb->context = context;
    climb->request = request;
    climb->request.checked = moved ? *moved : Ino();
    climb->request.checked_other = other ? *other : Ino();
    const Entry* lock = seen->find(kRenameKey);
    climb->request.checked_at = lock ? lock->rev : 0;
    climb->done = done;
    if (climb->request.checked) climb->ways.push_back({*moved, request.to_dir});
    if (climb->request.checked_other) climb->ways.push_back({*other, request.from_dir});
    climb->next();
  };
  context->store.get({from, to, kRenameKey}, seen_names);
}

}  // namespace dspm::names
