#include "fs/requests_names.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fs/errno.h"
#include "fs/requests_data.h"
#include "utils/base/limits.h"

namespace dspm::fs {
namespace {

// Cursors of the two names that no store keeps (10-names).
constexpr names::Rev kDot = 1, kDotDot = 2;

// Room for a directory entry as READDIR gives it, padded.
std::size_t dirent_size(std::size_t name) { return FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name); }

void append_dirent(Bytes& out, Ino ino, std::uint64_t cursor, std::uint32_t mode,
                   std::string_view name) {
  const std::size_t at = out.size();
  out.resize(at + dirent_size(name.size()));
  fuse_dirent entry{};
  entry.ino = ino.value;
  entry.off = cursor;
  entry.namelen = std::uint32_t(name.size());
  entry.type = (mode & S_IFMT) >> 12;
  std::memcpy(out.data() + at, &entry, FUSE_NAME_OFFSET);
  std::memcpy(out.data() + at + FUSE_NAME_OFFSET, name.data(), name.size());
}

}  // namespace

std::string RequestsNames::name_of(const Request& request, std::size_t skip) {
  const std::string_view name = request.text(skip);
  if (name.empty() || name.size() > kMaxName) {
    exchange_.fail(request.unique(), name.empty() ? EINVAL : ENAMETOOLONG);
    return {};
  }
  return std::string(name);
}

// ---- what the kernel knows

void RequestsNames::answer_entry(Unique unique, const names::Inode& inode) {
  attributes_.entry(unique, inode,
                    [this, unique](const fuse_entry_out& out) { exchange_.answer(unique, out); });
}

void RequestsNames::lookup(const Request& request) {
  const Unique unique = request.unique();
  const std::string name = name_of(request, 0);
  if (name.empty()) return;
  tree_.lookup(request.ino(), name, [this, unique](Result<names::Inode> inode) {
    if (!inode) return exchange_.fail(unique, errno_of(inode.status()));
    answer_entry(unique, *inode);
  });
}

void RequestsNames::forget(const Request& request) {
  if (const auto* in = request.argument<fuse_forget_in>())
    objects_.release(request.ino(), in->nlookup);
}

void RequestsNames::batch_forget(const Request& request) {
  const auto* in = request.argument<fuse_batch_forget_in>();
  if (!in) return;
  ByteSpan left = request.body.subspan(sizeof *in);
  for (std::uint32_t i = 0; i < in->count && left.size() >= sizeof(fuse_forget_one); ++i) {
    fuse_forget_one one;
    std::memcpy(&one, left.data(), sizeof one);
    left = left.subspan(sizeof one);
    objects_.release(Ino(one.nodeid), one.nlookup);
  }
}

// ---- making names

void RequestsNames::answer_created(Unique unique, const names::Inode& inode,
                                   std::uint32_t open_flags) {
  // The open half counts from when it is taken up [F4]; the size is asked for last.
  objects_.acquire(inode.ino, true, inode.home());
  const std::uint64_t handle = handle_of(unique, open_flags);
  exchange_.ask(unique, dsm::OpenRequest{unique, inode.ino, writable(handle), handle},
                [this, unique, inode, handle](const auto& answer) {
                  if (const Status status = status_of(answer); status != Status::ok) {
                    objects_.release(inode.ino, 1);
                    return exchange_.fail(unique, errno_of(status));
                  }
                  finish_created(unique, inode, handle);
                });
}

void RequestsNames::finish_created(Unique unique, const names::Inode& inode, std::uint64_t handle) {
  attributes_.acquired_entry(
      unique, inode,
      [this, unique, handle](const fuse_entry_out& entry) {
        struct {
          fuse_entry_out entry;
          fuse_open_out open;
        } out{entry, {}};
        out.open.fh = handle;
        out.open.open_flags = FOPEN_KEEP_CACHE;
        exchange_.answer(unique, out);
      },
      // No RELEASE comes for a CREATE that failed.
      [this, unique, ino = inode.ino, handle] {
        exchange_.ask(unique, dsm::ReleaseRequest{unique, ino, writable(handle), handle},
                      [](const dsm::KernelAnswer&) {});
      });
}

void RequestsNames::create(const Request& request) {
  const auto* in = request.argument<fuse_create_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  const std::string name = name_of(request, sizeof *in);
  if (name.empty()) return;
  const Unique unique = request.unique();
  names::NewInode fresh;
  fresh.mode = (in->mode & ~std::uint32_t{S_IFMT}) | S_IFREG;
  fresh.uid = request.header->uid;
  fresh.gid = request.header->gid;
  fresh.stamp = exchange_.wall();
  const std::uint32_t flags = in->flags;
  tree_.create(request.ino(), name, fresh, [this, unique, flags](Result<names::Inode> inode) {
    if (!inode) return exchange_.fail(unique, errno_of(inode.status()));
    answer_created(unique, *inode, flags);
  });
}

void RequestsNames::make(const Request& request, std::uint32_t mode, std::size_t skip) {
  const std::string name = name_of(request, skip);
  if (name.empty()) return;
  const Unique unique = request.unique();
  names::NewInode fresh;
  fresh.mode = mode;
  fresh.uid = request.header->uid;
  fresh.gid = request.header->gid;
  fresh.stamp = exchange_.wall();
  tree_.create(request.ino(), name, fresh, [this, unique](Result<names::Inode> inode) {
    if (!inode) return exchange_.fail(unique, errno_of(inode.status()));
    answer_entry(unique, *inode);
  });
}

void RequestsNames::mknod(const Request& request) {
  const auto* in = request.argument<fuse_mknod_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  const std::uint32_t type = in->mode & S_IFMT;
  if (type != S_IFREG && type != 0) return exchange_.fail(request.unique(), EOPNOTSUPP);
  make(request, (in->mode & ~std::uint32_t{S_IFMT}) | S_IFREG, sizeof *in);
}

void RequestsNames::mkdir(const Request& request) {
  const auto* in = request.argument<fuse_mkdir_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  make(request, (in->mode & ~std::uint32_t{S_IFMT}) | S_IFDIR, sizeof *in);
}

// ---- taking names away

names::Tree::OutcomeDone RequestsNames::answer_done(const Request& request) {
  return [this, unique = request.unique()](const Outcome& done) {
    exchange_.fail(unique, errno_of(done.status()));
  };
}

void RequestsNames::unlink(const Request& request) {
  const std::string name = name_of(request, 0);
  if (name.empty()) return;
  tree_.unlink(request.ino(), name, exchange_.wall(), answer_done(request));
}

void RequestsNames::rmdir(const Request& request) {
  const std::string name = name_of(request, 0);
  if (name.empty()) return;
  tree_.rmdir(request.ino(), name, exchange_.wall(), answer_done(request));
}

void RequestsNames::rename(const Request& request) {
  const auto* in = request.argument<fuse_rename_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  move(request, Ino(in->newdir), 0, sizeof *in);
}

void RequestsNames::rename2(const Request& request) {
  const auto* in = request.argument<fuse_rename2_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  move(request, Ino(in->newdir), in->flags, sizeof *in);
}

void RequestsNames::move(const Request& request, Ino to, std::uint32_t flags, std::size_t skip) {
  const std::string from_name = name_of(request, skip);
  if (from_name.empty()) return;
  const std::string to_name = name_of(request, skip + from_name.size() + 1);
  if (to_name.empty()) return;
  const auto done = answer_done(request);
  if (flags == RENAME_EXCHANGE)
    return tree_.exchange(request.ino(), from_name, to, to_name, exchange_.wall(), done);
  if (flags != 0 && flags != RENAME_NOREPLACE) return exchange_.fail(request.unique(), EINVAL);
  tree_.rename(request.ino(), from_name, to, to_name, flags == RENAME_NOREPLACE, exchange_.wall(),
               done);
}

// ---- directories: a listing ends at the revision that its OPENDIR, or the last READDIR from 0,
// saw

void RequestsNames::opendir(const Request& request) {
  const Unique unique = request.unique();
  tree_.newest(request.ino(), [this, unique](Result<names::Rev> newest) {
    if (!newest) return exchange_.fail(unique, errno_of(newest.status()));
    fuse_open_out out{};
    out.fh = ++last_listing_;
    listings_[out.fh] = *newest;
    exchange_.answer(unique, out);
  });
}

void RequestsNames::readdir(const Request& request) {
  const auto* in = request.argument<fuse_read_in>();
  if (!in || in->size > kMaxTransfer) return exchange_.fail(request.unique(), EINVAL);
  const Listing from{request.unique(), request.ino(), in->fh, in->offset, in->size};
  const auto known = listings_.find(from.handle);
  // From 0: rewinddir, or the first; the first need not ask twice, but who knows which it is.
  if (known != listings_.end() && from.after != 0) return list(from, known->second);
  tree_.newest(from.dir, [this, from](Result<names::Rev> newest) {
    if (!newest) return exchange_.fail(from.unique, errno_of(newest.status()));
    listings_[from.handle] = *newest;
    list(from, *newest);
  });
}

void RequestsNames::list(const Listing& from, names::Rev upto) {
  if (from.after >= kDotDot) return list_entries(from, Ino(), upto);
  tree_.get(from.dir, [this, from, upto](Result<names::Inode> inode) {
    if (!inode) return exchange_.fail(from.unique, errno_of(inode.status()));
    list_entries(from, inode->parent, upto);
  });
}

void RequestsNames::list_entries(const Listing& from, Ino parent, names::Rev upto) {
  Bytes out;
  if (from.after < kDot) append_dirent(out, from.dir, kDot, S_IFDIR, ".");
  if (from.after < kDotDot) append_dirent(out, parent, kDotDot, S_IFDIR, "..");
  const names::Rev after = std::max(from.after, kDotDot);
  tree_.readdir(from.dir, after, upto, from.size / dirent_size(1) + 1,
                [this, from, out = std::move(out)](Result<names::NamedPage> page) mutable {
                  if (!page) return exchange_.fail(from.unique, errno_of(page.status()));
                  for (const names::Named& entry : page->entries) {
                    if (out.size() + dirent_size(entry.name.size()) > from.size) break;
                    append_dirent(out, entry.ino, entry.cursor, entry.type, entry.name);
                  }
                  exchange_.device().answer_bytes(from.unique, out);
                });
}

void RequestsNames::releasedir(const Request& request) {
  if (const auto* in = request.argument<fuse_release_in>()) listings_.erase(in->fh);
  exchange_.fail(request.unique(), 0);
}

}  // namespace dspm::fs
