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
  if (r.no_replace) return {Status::exists, ""};
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

Result<Txn> build(const RenameRequest& r, const Snapshot& snapshot) {
  Result<Seen> looked = look(r, snapshot);
  if (!looked) return looked.error();
  Seen& seen = *looked;
  if (Error bad = check_target(r, seen); bad.status != Status::ok) return bad;
  Txn txn;
  if (seen.target != nullptr && seen.replaced.ino == seen.child.ino) return txn;  // rename(2)
  const bool directory = seen.child.is_directory();
  const Entry* child = snapshot.find(inode_key(seen.child.ino));
  txn.guards = {{Guard::Is::at, seen.entry->key, seen.entry->rev},
                {Guard::Is::at, child->key, child->rev},
                {Guard::Is::present, inode_key(r.from_dir), 0},
                {Guard::Is::present, inode_key(r.to_dir), 0}};
  const Key to = name_key(r.to_dir, r.to);
  std::int64_t gained = 1, gained_links = directory ? 1 : 0;
  if (seen.target == nullptr) {
    txn.guards.push_back({Guard::Is::absent, to, 0});
  } else {
    const Entry* replaced = snapshot.find(inode_key(seen.replaced.ino));
    txn.guards.push_back({Guard::Is::at, to, seen.target->rev});
    txn.guards.push_back({Guard::Is::at, replaced->key, replaced->rev});
    append_unlink(txn, seen.replaced, r.stamp);
    --gained;
    if (seen.replaced.is_directory()) --gained_links;
  }
  txn.ops.push_back({Op::Kind::erase, seen.entry->key, {}, {}});
  // A name that was there keeps its cursor: no listing misses it or gives it twice.
  txn.ops.push_back({Op::Kind::put, to, seen.entry->value, {}});
  Inode moved = seen.child;
  moved.ctime = later(r.stamp, moved.ctime);
  if (directory) moved.parent = r.to_dir;
  txn.ops.push_back({Op::Kind::put, child->key, encode(moved), {}});
  const std::int64_t lost_links = directory ? -1 : 0;
  if (r.from_dir == r.to_dir) {
    txn.ops.push_back(add(r.from_dir, gained - 1, gained_links + lost_links, r.stamp));
  } else {
    txn.ops.push_back(add(r.from_dir, -1, lost_links, r.stamp));
    txn.ops.push_back(add(r.to_dir, gained, gained_links, r.stamp));
  }
  if (directory && r.from_dir != r.to_dir) {
    const Entry* lock = snapshot.find(kRenameKey);
    if (seen.child.ino != r.checked || (lock ? lock->rev : 0) != r.checked_at) {
      return Error{Status::busy, "another directory moved: check again"};
    }
    txn.guards.push_back(
        {lock ? Guard::Is::at : Guard::Is::absent, kRenameKey, lock ? lock->rev : 0});
    txn.ops.push_back({Op::Kind::put, kRenameKey, std::to_string(seen.child.ino.value), {}});
  }
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

// Climbs from the new parent to the root; a rename that meets the moved directory is refused. Not
// one snapshot: `cfg/rename` has not changed if the transaction goes through, so no parent has.
struct Climb : std::enable_shared_from_this<Climb> {
  std::shared_ptr<TreeContext> context;
  RenameRequest request;
  Tree::OutcomeDone done;
  int steps = 0;

  void from(Ino dir) {
    if (dir == request.checked) {
      return done(Error{Status::invalid, "a directory cannot move into itself"});
    }
    if (dir == kRootIno) return transact(context, request, done);
    if (++steps > kMaxDepth) return done(Error{Status::too_large, "directories too deep"});
    context->store.get({inode_key(dir)}, [self = shared_from_this(), dir](Result<Snapshot> seen) {
      if (self->context->closed) return;
      if (!seen) return self->done(seen.error());
      Result<Inode> inode = read_directory(*seen, dir);
      if (inode) return self->from(inode->parent);
      // Above the new parent: the way up has moved, and the old one was removed.
      if (inode.status() == Status::gone && dir != self->request.to_dir) {
        return again(self->context, self->request, self->done);
      }
      self->done(inode.error());
    });
  }
};

}  // namespace

void start_rename(const std::shared_ptr<TreeContext>& context, RenameRequest request,
                  Tree::OutcomeDone done) {
  if (request.deadline == kNever) request.deadline = context->deadline();
  if (request.from_dir == request.to_dir) return transact(context, request, std::move(done));
  const Key name = name_key(request.from_dir, request.from);
  const auto seen_name = [context, request, done, name](Result<Snapshot> seen) {
    if (context->closed) return;
    if (!seen) return done(seen.error());
    const Entry* entry = seen->find(name);
    // Whatever is wrong here the transaction finds out too, and says it properly.
    if (entry == nullptr) return transact(context, request, done);
    Result<DirEntry> child = decode_entry(entry->value);
    if (!child) return done(child.error());
    if (!S_ISDIR(child->type)) return transact(context, request, done);
    auto climb = std::make_shared<Climb>();
    climb->context = context;
    climb->request = request;
    const Entry* lock = seen->find(kRenameKey);
    climb->request.checked_at = lock ? lock->rev : 0;
    climb->request.checked = child->ino;
    climb->done = done;
    climb->from(request.to_dir);
  };
  context->store.get({name, kRenameKey}, seen_name);
}

}  // namespace dspm::names
