#include "fs/attributes.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fs/errno.h"
#include "utils/base/limits.h"

namespace dspm::fs {
namespace {

constexpr std::uint64_t kBlock = 512;  // of st_blocks

// What is reported free: nothing is bounded yet, and never zero [2-kernel rule 11].
constexpr std::uint64_t kReportedPages = std::uint64_t{1} << 28;  // 1 TiB
constexpr std::uint64_t kReportedFiles = std::uint64_t{1} << 32;

WallTime wall_of(std::uint64_t seconds, std::uint32_t nanoseconds) {
  return WallTime{std::int64_t(seconds) * 1'000'000'000 + nanoseconds};
}

void split(WallTime time, std::uint64_t& seconds, std::uint32_t& nanoseconds) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t whole =
      time.ns >= 0 ? time.ns / kSecond : -((-time.ns + kSecond - 1) / kSecond);
  seconds = std::uint64_t(whole);
  nanoseconds = std::uint32_t(time.ns - whole * kSecond);
}

}  // namespace

WallTime ctime_of(const fuse_attr& attr) { return wall_of(attr.ctime, attr.ctimensec); }

void set_ctime(fuse_attr& attr, WallTime ctime) { split(ctime, attr.ctime, attr.ctimensec); }

fuse_attr compose(const names::Inode& inode, const dsm::AttrAnswer* data) {
  fuse_attr attr{};
  attr.ino = inode.ino.value;
  attr.mode = inode.mode;
  attr.uid = inode.uid;
  attr.gid = inode.gid;
  attr.nlink = inode.nlink;
  attr.rdev = 0;
  attr.blksize = kPageSize;
  WallTime mtime = inode.mtime, ctime = inode.ctime;
  WallTime atime = mtime;
  if (data) {
    attr.size = data->size;
    attr.blocks = data->times.blocks * (kPageSize / kBlock);
    mtime = data->times.mtime.value_or(mtime);
    ctime = std::max(ctime, data->times.ctime.value_or(ctime));
    atime = data->times.atime.value_or(mtime);
  } else {
    attr.size = kPageSize;
    attr.blocks = kPageSize / kBlock;
    atime = inode.atime.value_or(mtime);
  }
  split(mtime, attr.mtime, attr.mtimensec);
  split(atime, attr.atime, attr.atimensec);
  split(ctime, attr.ctime, attr.ctimensec);
  return attr;
}

// ---- entries

void Attributes::entry(Unique unique, const names::Inode& inode, EntryThen then) {
  objects_.acquire(inode.ino, inode.is_file(), inode.home());
  acquired_entry(unique, inode, std::move(then));
}

void Attributes::acquired_entry(Unique unique, const names::Inode& inode, EntryThen then,
                                std::function<void()> otherwise) {
  fuse_entry_out out{};  // timeouts 0: the next one asks again (10-names)
  out.nodeid = inode.ino.value;
  out.generation = kGenerationOfAll;
  if (!inode.is_file()) {
    out.attr = compose(inode, nullptr);
    return then(out);
  }
  exchange_.ask(unique, dsm::AttrRequest{unique, inode.ino},
                [this, unique, inode, out, then = std::move(then),
                 otherwise = std::move(otherwise)](const auto& answer) mutable {
                  const auto* data = std::get_if<dsm::AttrAnswer>(&answer);
                  if (!data) {
                    exchange_.fail(unique, errno_of(status_of(answer)));
                    if (otherwise) otherwise();
                    return objects_.release(inode.ino, 1);
                  }
                  out.attr = compose(inode, data);
                  set_ctime(out.attr, objects_.ctime_to_name(inode.ino, ctime_of(out.attr)));
                  then(out);
                });
}

// ---- GETATTR

void Attributes::answer_attr(Unique unique, const fuse_attr& attr) {
  fuse_attr_out out{};
  out.attr = attr;
  exchange_.answer(unique, out);
}

void Attributes::getattr(const Request& request) {
  const Unique unique = request.unique();
  const Ino ino = request.ino();
  if (!objects_.known(ino)) return exchange_.fail(unique, ESTALE);
  tree_.get(ino, [this, unique, ino](Result<names::Inode> inode) {
    if (!inode) return exchange_.fail(unique, errno_of(inode.status()));
    if (!inode->is_file()) return answer_attr(unique, compose(*inode, nullptr));
    if (!objects_.known(ino)) return exchange_.fail(unique, ESTALE);
    exchange_.ask(unique, dsm::AttrRequest{unique, ino},
                  [this, unique, ino, inode = *inode](const auto& answer) {
                    const auto* data = std::get_if<dsm::AttrAnswer>(&answer);
                    if (!data) return exchange_.fail(unique, errno_of(status_of(answer)));
                    fuse_attr attr = compose(inode, data);
                    set_ctime(attr, objects_.ctime_to_name(ino, ctime_of(attr)));
                    answer_attr(unique, attr);
                  });
  });
}

// ---- SETATTR: size (a commit), then times (a commit), then one name transaction (10-names)

struct Attributes::Setattr {
  Unique unique;
  Ino ino;
  fuse_setattr_in in{};
  WallTime stamp;  // when it was taken up
  names::Inode record;
  bool owes_end = false;  // the node has been asked what SetattrAnswered must follow

  bool sets(std::uint32_t what) const { return (in.valid & what) != 0; }
  bool size_only() const {
    return !atime() && !mtime() && !sets(FATTR_MODE | FATTR_UID | FATTR_GID);
  }
  std::optional<WallTime> atime() const {
    if (!sets(FATTR_ATIME)) return std::nullopt;
    return sets(FATTR_ATIME_NOW) ? stamp : wall_of(in.atime, in.atimensec);
  }
  std::optional<WallTime> mtime() const {
    // A truncation stamps the mtime by itself.
    if (!sets(FATTR_MTIME) || (sets(FATTR_SIZE) && sets(FATTR_MTIME_NOW))) return std::nullopt;
    return sets(FATTR_MTIME_NOW) ? stamp : wall_of(in.mtime, in.mtimensec);
  }
};

void Attributes::setattr(const Request& request) {
  const auto* in = request.argument<fuse_setattr_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  if (!objects_.known(request.ino())) return exchange_.fail(request.unique(), ESTALE);
  const auto s = std::make_shared<Setattr>();
  s->unique = request.unique();
  s->ino = request.ino();
  s->in = *in;
  s->stamp = exchange_.wall();
  if (s->sets(FATTR_SIZE) && in->size > kMaxObjectSize) return exchange_.fail(s->unique, EFBIG);
  tree_.get(s->ino, [this, s](Result<names::Inode> inode) {
    if (!inode) return exchange_.fail(s->unique, errno_of(inode.status()));
    s->record = *inode;
    if (!inode->is_file()) return change_record(s);
    resize(s);
  });
}

// [Z9] Pushes of the object's size, and so everybody's commits, wait for the end of it.
void Attributes::fail_setattr(const SetattrRef& s, int error) {
  if (s->owes_end) exchange_.step_kernel(dsm::SetattrAnswered{s->ino, {}});
  exchange_.fail(s->unique, error);
}

void Attributes::resize(const SetattrRef& s) {
  if (!s->sets(FATTR_SIZE)) return set_times(s);
  s->owes_end = true;
  exchange_.ask(s->unique, dsm::ResizeRequest{s->unique, s->ino, s->in.size, s->stamp},
                [this, s](const auto& answer) {
                  const auto* data = std::get_if<dsm::AttrAnswer>(&answer);
                  if (!data) return fail_setattr(s, errno_of(status_of(answer)));
                  // Alone it is answered with what its own commit left: its own size [1.15].
                  if (s->size_only()) return answer_setattr(s, *data);
                  set_times(s);
                });
}

void Attributes::set_times(const SetattrRef& s) {
  const ExplicitTimes times{s->atime(), s->mtime(), s->stamp};
  if (!times.atime && !times.mtime) return change_record(s);
  exchange_.ask(s->unique, dsm::TimesRequest{s->unique, s->ino, times},
                [this, s](const auto& answer) {
                  if (const Status status = status_of(answer); status != Status::ok)
                    return fail_setattr(s, errno_of(status));
                  change_record(s);
                });
}

void Attributes::change_record(const SetattrRef& s) {
  names::Changes changes;
  changes.stamp = s->stamp;
  if (s->sets(FATTR_MODE)) changes.mode = s->in.mode;
  if (s->sets(FATTR_UID)) changes.uid = s->in.uid;
  if (s->sets(FATTR_GID)) changes.gid = s->in.gid;
  bool any = s->sets(FATTR_MODE | FATTR_UID | FATTR_GID);
  if (!s->record.is_file()) {
    changes.atime = s->atime();
    changes.mtime = s->mtime();
    any = any || changes.atime || changes.mtime;
  }
  if (!any) return finish(s);
  tree_.change(s->ino, changes, [this, s](Result<names::Inode> inode) {
    if (!inode) return fail_setattr(s, errno_of(inode.status()));
    s->record = *inode;
    finish(s);
  });
}

void Attributes::finish(const SetattrRef& s) {
  if (!s->record.is_file()) return answer_attr(s->unique, compose(s->record, nullptr));
  s->owes_end = true;
  exchange_.ask(s->unique, dsm::AttrRequest{s->unique, s->ino, true},
                [this, s](const auto& answer) {
                  const auto* data = std::get_if<dsm::AttrAnswer>(&answer);
                  if (!data) return fail_setattr(s, errno_of(status_of(answer)));
                  answer_setattr(s, *data);
                });
}

void Attributes::answer_setattr(const SetattrRef& s, const dsm::AttrAnswer& data) {
  fuse_attr attr = compose(s->record, &data);
  const WallTime ctime = objects_.ctime_of_setattr(s->ino, ctime_of(attr));
  set_ctime(attr, ctime);
  exchange_.step_kernel(dsm::SetattrAnswered{s->ino, ctime});  // [Z9] before it is on its way
  answer_attr(s->unique, attr);
}

// ---- STATFS

void Attributes::statfs(const Request& request) {
  fuse_statfs_out out{};
  out.st.bsize = kPageSize;
  out.st.frsize = kPageSize;
  out.st.blocks = out.st.bfree = out.st.bavail = kReportedPages;
  out.st.files = out.st.ffree = kReportedFiles;
  out.st.namelen = kMaxName;
  exchange_.answer(request.unique(), out);
}

}  // namespace dspm::fs
