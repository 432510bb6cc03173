#include "namespace/tree/tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "namespace/tree/operation.h"
#include "namespace/tree/rename.h"
#include "utils/base/limits.h"

namespace dspm::names {
namespace {

constexpr const char* kInoCounter = "cfg/ino";

Guard present(Key key) { return {Guard::Is::present, std::move(key), 0}; }
Guard absent(Key key) { return {Guard::Is::absent, std::move(key), 0}; }
Guard at(const Entry& entry) { return {Guard::Is::at, entry.key, entry.rev}; }
Op put(Key key, Value value) { return {Op::Kind::put, std::move(key), std::move(value), {}}; }
Op erase(Key key) { return {Op::Kind::erase, std::move(key), {}, {}}; }
Op add(Key key, Delta delta) { return {Op::Kind::add, std::move(key), {}, delta}; }

}  // namespace

Error check_name(const std::string& name) {
  if (name.size() > kMaxName) return {Status::too_long, "a name has at most 255 bytes"};
  const bool bad = name.empty() || name == "." || name == ".." ||
                   name.find('/') != std::string::npos || name.find('\0') != std::string::npos;
  return {bad ? Status::invalid : Status::ok, bad ? "not a name: " + name : ""};
}

Result<Inode> read_inode(const Snapshot& seen, Ino ino) {
  const Entry* entry = seen.find(inode_key(ino));
  if (entry == nullptr) return Error{Status::gone, "object is gone"};
  return decode_inode(entry->value, ino, entry->rev);
}

Result<Inode> read_directory(const Snapshot& seen, Ino dir) {
  Result<Inode> inode = read_inode(seen, dir);
  if (inode && !inode->is_directory()) return Error{Status::not_directory, ""};
  return inode;
}

// Never inside the call.
template <class T>
static void fail(const std::shared_ptr<TreeContext>& context, Error error,
                 std::function<void(Result<T>)> done) {
  later_on_loop(context, [error = std::move(error), done = std::move(done)] { done(error); });
}

struct Tree::Shared : TreeContext {
  using TreeContext::TreeContext;
  // [10-names] Inode numbers come in batches; what is left at the end of this life is lost.
  std::uint64_t next_ino = 0, end_ino = 0;
  std::deque<std::function<void(Outcome)>> need_ino;
  bool fetching_ino = false;
  std::weak_ptr<Shared> self;

  std::shared_ptr<TreeContext> context() { return self.lock(); }
  void with_ino(std::function<void(Result<Ino>)> then);
  void fetch_inos();
};

void Tree::Shared::with_ino(std::function<void(Result<Ino>)> then) {
  if (next_ino < end_ino) return then(Ino(next_ino++));
  need_ino.push_back([this, then = std::move(then)](Outcome fetched) {
    if (!fetched) return then(fetched.error());
    with_ino(then);
  });
  fetch_inos();
}

void Tree::Shared::fetch_inos() {
  if (fetching_ino) return;
  fetching_ino = true;
  auto first = std::make_shared<std::uint64_t>(0);
  Operation op;
  op.keys = {kInoCounter};
  op.build = [first](const Snapshot& seen) -> Result<Txn> {
    const Entry* counter = seen.find(kInoCounter);
    *first = kRootIno.value + 1;
    if (counter) {
      Result<std::uint64_t> next = decode_counter(counter->value);
      if (!next) return next.error();
      *first = *next;
    }
    Txn txn;
    txn.guards = {counter ? at(*counter) : absent(kInoCounter)};
    txn.ops = {put(kInoCounter, encode_counter(*first + kInoBatch))};
    return txn;
  };
  op.done = [this, first](Result<Rev> rev) {
    fetching_ino = false;
    if (rev) {
      next_ino = *first;
      end_ino = *first + kInoBatch;
    }
    auto waiting = std::move(need_ino);
    need_ino.clear();
    for (auto& then : waiting) then(rev ? Outcome(Done{}) : Outcome(rev.error()));
  };
  run(context(), std::move(op));
}

Tree::Tree(NameStore& store, TreeOptions options)
    : shared_(std::make_shared<Shared>(store, std::move(options))) {
  shared_->self = shared_;
}

Tree::~Tree() { shared_->closed = true; }

void Tree::lookup(Ino dir, const std::string& name, InodeDone done) {
  auto context = shared_->context();
  if (Error bad = check_name(name); bad.status != Status::ok) return fail(context, bad, done);
  const Key key = name_key(dir, name);
  const auto more = [key](const Snapshot& seen) { return keys_of_children(seen, {key}); };
  read_settled(context, {key, inode_key(dir)}, more, context->deadline(),
               [key, dir, done = std::move(done)](Result<Snapshot> seen) {
                 if (!seen) return done(seen.error());
                 Result<Inode> parent = read_directory(*seen, dir);
                 if (!parent) return done(parent.error());
                 const Entry* entry = seen->find(key);
                 if (entry == nullptr) return done(Error{Status::no_entry, ""});
                 Result<DirEntry> child = decode_entry(entry->value);
                 if (!child) return done(child.error());
                 done(read_inode(*seen, child->ino));
               });
}

void Tree::get(Ino ino, InodeDone done) {
  auto context = shared_->context();
  context->store.get({inode_key(ino)}, [context, ino, done](Result<Snapshot> seen) {
    if (context->closed) return;
    if (!seen) return done(seen.error());
    done(read_inode(*seen, ino));
  });
}

void Tree::create(Ino dir, const std::string& name, const NewInode& fresh, InodeDone done) {
  Error bad = check_name(name);
  if (bad.status == Status::ok && !S_ISREG(fresh.mode) && !S_ISDIR(fresh.mode)) {
    bad = {Status::unsupported, "only files and directories can be made"};
  }
  if (bad.status != Status::ok) return fail(shared_->context(), bad, std::move(done));
  // Called while the tree is there: what waits for numbers ends with it.
  shared_->with_ino([shared = shared_.get(), dir, name, fresh, done](Result<Ino> ino) {
    if (!ino) return done(ino.error());
    auto made = std::make_shared<Inode>();
    made->ino = *ino;
    Operation op;
    op.keys = {name_key(dir, name), inode_key(dir)};
    op.build = [=, layout = shared->options.layout](const Snapshot& seen) -> Result<Txn> {
      Result<Inode> parent = read_directory(seen, dir);
      if (!parent) return parent.error();
      if (seen.find(name_key(dir, name))) return Error{Status::exists, ""};
      const bool directory = S_ISDIR(fresh.mode);
      made->mode = fresh.mode & (S_IFMT | 07777);
      made->uid = fresh.uid;
      made->gid = fresh.gid;
      if (parent->mode & S_ISGID) {  // inherited, as local filesystems do
        made->gid = parent->gid;
        if (directory) made->mode |= S_ISGID;
      }
      made->nlink = directory ? 2 : 1;
      made->ctime = made->mtime = fresh.stamp;
      made->parent = directory ? dir : Ino();
      if (!directory) made->layout = layout;
      Txn txn;
      txn.guards = {absent(name_key(dir, name)), present(inode_key(dir))};
      txn.ops = {put(name_key(dir, name), encode(DirEntry{made->ino, made->mode & S_IFMT})),
                 put(inode_key(made->ino), encode(*made)),
                 add(inode_key(dir), {1, directory ? 1 : 0, fresh.stamp})};
      return txn;
    };
    op.done = [shared, made, key = name_key(dir, name), done](Result<Rev> rev) {
      if (!rev) return done(rev.error());
      made->rev = *rev;
      shared->learn(key, made->ino);
      done(*made);
    };
    run(shared->context(), std::move(op));
  });
}

// ---- taking a name away: of a file, of an empty directory

namespace {
Result<Txn> take_away(const Snapshot& seen, Ino dir, const std::string& name, bool directory,
                      WallTime stamp) {
  Result<Inode> parent = read_directory(seen, dir);
  if (!parent) return parent.error();
  const Entry* entry = seen.find(name_key(dir, name));
  if (entry == nullptr) return Error{Status::no_entry, ""};
  Result<DirEntry> child = decode_entry(entry->value);
  if (!child) return child.error();
  Result<Inode> inode = read_inode(seen, child->ino);
  if (!inode) return inode.error();
  if (directory && !inode->is_directory()) return Error{Status::not_directory, ""};
  if (!directory && inode->is_directory()) return Error{Status::is_directory, ""};
  if (directory && inode->entries > 0) return Error{Status::not_empty, ""};
  Txn txn;
  txn.guards = {at(*entry), present(inode_key(dir)), at(*seen.find(inode_key(child->ino)))};
  txn.ops = {erase(name_key(dir, name)), add(inode_key(dir), {-1, directory ? -1 : 0, stamp})};
  append_unlink(txn, *inode, stamp);
  return txn;
}
}  // namespace

void append_unlink(Txn& txn, Inode inode, WallTime stamp) {
  if (inode.is_directory()) {  // no pages: its record goes at once
    txn.ops.push_back(erase(inode_key(inode.ino)));
    return;
  }
  inode.nlink = inode.nlink > 0 ? inode.nlink - 1 : 0;
  inode.ctime = later(stamp, inode.ctime);
  txn.ops.push_back(put(inode_key(inode.ino), encode(inode)));
  if (inode.nlink == 0) txn.ops.push_back(put(orphan_key(inode.ino), "1"));
}

Result<std::vector<Key>> keys_of_children(const Snapshot& seen, const std::vector<Key>& names) {
  std::vector<Key> keys;
  for (const Key& name : names) {
    const Entry* entry = seen.find(name);
    if (entry == nullptr) continue;
    Result<DirEntry> child = decode_entry(entry->value);
    if (!child) return child.error();
    keys.push_back(inode_key(child->ino));
  }
  return keys;
}

static void remove(const std::shared_ptr<TreeContext>& context, Ino dir, const std::string& name,
                   bool directory, WallTime stamp, Tree::OutcomeDone done) {
  if (Error bad = check_name(name); bad.status != Status::ok) return fail(context, bad, done);
  Operation op;
  op.keys = {name_key(dir, name), inode_key(dir)};
  op.more = [key = name_key(dir, name)](const Snapshot& seen) {
    return keys_of_children(seen, {key});
  };
  op.build = [=](const Snapshot& seen) { return take_away(seen, dir, name, directory, stamp); };
  op.done = [done](Result<Rev> rev) { done(rev ? Outcome(Done{}) : Outcome(rev.error())); };
  run(context, std::move(op));
}

void Tree::unlink(Ino dir, const std::string& name, WallTime stamp, OutcomeDone done) {
  remove(shared_->context(), dir, name, false, stamp, std::move(done));
}

void Tree::rmdir(Ino dir, const std::string& name, WallTime stamp, OutcomeDone done) {
  remove(shared_->context(), dir, name, true, stamp, std::move(done));
}

static void start_checked(const std::shared_ptr<TreeContext>& context, RenameRequest request,
                          Tree::OutcomeDone done) {
  for (const std::string& name : {request.from, request.to}) {
    if (Error bad = check_name(name); bad.status != Status::ok) {
      return fail(context, bad, std::move(done));
    }
  }
  start_rename(context, std::move(request), std::move(done));
}

void Tree::rename(Ino from_dir, const std::string& from, Ino to_dir, const std::string& to,
                  bool no_replace, WallTime stamp, OutcomeDone done) {
  const auto how = no_replace ? RenameRequest::How::no_replace : RenameRequest::How::replace;
  start_checked(shared_->context(), {from_dir, from, to_dir, to, how, stamp}, std::move(done));
}

void Tree::exchange(Ino from_dir, const std::string& from, Ino to_dir, const std::string& to,
                    WallTime stamp, OutcomeDone done) {
  start_checked(shared_->context(),
                {from_dir, from, to_dir, to, RenameRequest::How::exchange, stamp}, std::move(done));
}

// ---- attributes, directories

void Tree::change(Ino ino, const Changes& changes, InodeDone done) {
  auto changed = std::make_shared<Inode>();
  Operation op;
  op.keys = {inode_key(ino)};
  op.build = [=](const Snapshot& seen) -> Result<Txn> {
    Result<Inode> inode = read_inode(seen, ino);
    if (!inode) return inode.error();
    *changed = *inode;
    if (changes.mode) changed->mode = (changed->mode & S_IFMT) | (*changes.mode & 07777);
    if (changes.uid) changed->uid = *changes.uid;
    if (changes.gid) changed->gid = *changes.gid;
    if (changes.atime) changed->atime = changes.atime;
    if (changes.mtime) changed->mtime = *changes.mtime;
    changed->ctime = later(changes.stamp, changed->ctime);
    Txn txn;
    txn.guards = {at(*seen.find(inode_key(ino)))};
    txn.ops = {put(inode_key(ino), encode(*changed))};
    return txn;
  };
  op.done = [changed, done](Result<Rev> rev) {
    if (!rev) return done(rev.error());
    changed->rev = *rev;
    done(*changed);
  };
  run(shared_->context(), std::move(op));
}

void Tree::readdir(Ino dir, Rev after, Rev upto, std::size_t limit,
                   std::function<void(Result<NamedPage>)> done) {
  auto context = shared_->context();
  const Key prefix = names_prefix(dir);
  context->store.list(prefix, after, limit, [=](Result<Listing> listing) {
    if (context->closed) return;
    if (!listing) return done(listing.error());
    NamedPage page;
    page.end = listing->entries.size() < limit;
    for (const Entry& entry : listing->entries) {
      if (entry.created > upto) {  // came after OPENDIR
        page.end = true;
        break;
      }
      Result<DirEntry> child = decode_entry(entry.value);
      if (!child) return done(child.error());
      page.entries.push_back(
          {entry.key.substr(prefix.size()), child->ino, child->type, entry.created});
    }
    done(std::move(page));
  });
}

void Tree::newest(Ino dir, std::function<void(Result<Rev>)> done) {
  get(dir, [context = shared_->context(), dir, done = std::move(done)](Result<Inode> inode) {
    if (!inode) return done(inode.error());
    if (!inode->is_directory()) return done(Error{Status::not_directory, ""});
    context->store.list(names_prefix(dir), 0, 0, [context, done](Result<Listing> listing) {
      if (context->closed) return;
      if (!listing) return done(listing.error());
      done(listing->rev);
    });
  });
}

void Tree::make_root(WallTime stamp, OutcomeDone done) {
  Operation op;
  op.keys = {inode_key(kRootIno)};
  op.build = [stamp](const Snapshot& seen) -> Result<Txn> {
    Txn txn;
    if (seen.find(inode_key(kRootIno))) return txn;  // made already
    Inode root;
    root.ino = root.parent = kRootIno;
    root.mode = S_IFDIR | 0755;
    root.nlink = 2;
    root.ctime = root.mtime = stamp;
    txn.guards = {absent(inode_key(kRootIno))};
    txn.ops = {put(inode_key(kRootIno), encode(root))};
    return txn;
  };
  op.done = [done](Result<Rev> rev) { done(rev ? Outcome(Done{}) : Outcome(rev.error())); };
  run(shared_->context(), std::move(op));
}

}  // namespace dspm::names
