// The exchanges between this node's kernel and its holder, free of FUSE types: what fs/ makes of a
// request, and what it makes an answer of. A request is known by its unique.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "utils/base/object.h"
#include "utils/base/result.h"

namespace dspm::dsm {

// ---- from the kernel. Bytes are borrowed for the call. [2-kernel, facts]
struct ReadRequest {
  Unique unique;
  Ino ino;
  std::uint64_t offset = 0;  // multiple of kPageSize unless direct
  std::uint32_t size = 0;
  bool direct = false;  // FUSE_READ_LOCKOWNER: its bytes do not enter the page cache
};
struct WriteRequest {
  Unique unique;
  Ino ino;
  std::uint64_t offset = 0;
  ByteSpan bytes;
  bool mapped = false;  // FUSE_WRITE_CACHE: dirty page written back
  bool direct = false;  // FUSE_WRITE_LOCKOWNER: O_DIRECT
  WallTime stamp;       // wall clock when it was taken up
};
struct OpenRequest {  // OPEN, or the open half of CREATE
  Unique unique;
  Ino ino;
  bool writable = false;
  std::uint64_t handle = 0;  // names it until its RELEASE; no other open handle has this number
};
struct ReleaseRequest {
  Unique unique;
  Ino ino;
  bool writable = false;
  std::uint64_t handle = 0;
};
struct SyncRequest {  // FSYNC, FLUSH of a writable handle; answered when committed and visible
  Unique unique;
  Ino ino;
  std::uint64_t handle = 0;  // none: this node's own wish
  bool flush = false;        // FLUSH: of a forked child too, so it says an error but keeps it [F11]
};
struct ResizeRequest {  // SETATTR(size)
  Unique unique;
  Ino ino;
  std::uint64_t size = 0;
  WallTime stamp;
  // Answered by AttrAnswer naming this size when the commit is decided or done. fs then asks the
  // rest of the SETATTR, then AttrRequest{setattr}, then SetattrAnswered, then answers the kernel.
};
struct TimesRequest {  // SETATTR(times)
  Unique unique;
  Ino ino;
  ExplicitTimes times;
};
struct AttrRequest {  // before any answer with attributes
  Unique unique;
  Ino ino;
  // The answer is that of a SETATTR (chmod too): the kernel applies it late [Z9], so fs must answer
  // with a ctime above any it named before, and tell it by SetattrAnswered.
  bool setattr = false;
};
struct Forgotten {  // FORGET took the last lookup: the kernel has neither inode nor pages
  Ino ino;
};
// The answer of a SETATTR (of any field) is on its way to the kernel with this ctime [Z9]. Owed
// once for each AttrRequest with `setattr`, and once for each ResizeRequest that no such
// AttrRequest followed; with ctime 0 where the SETATTR is answered with an error. Pushes of a size
// wait for it.
struct SetattrAnswered {
  Ino ino;
  WallTime ctime;
};
using KernelEvent =
    std::variant<ReadRequest, WriteRequest, OpenRequest, ReleaseRequest, SyncRequest, ResizeRequest,
                 TimesRequest, AttrRequest, Forgotten, SetattrAnswered>;

// ---- to the kernel
struct ReadAnswer {  // bytes [skip, skip + size) of the joined pages; size 0: past the end
  Unique unique;
  std::vector<PageRef> pages;
  std::uint32_t skip = 0;
  std::uint32_t size = 0;
};
struct AttrAnswer {  // for AttrRequest and ResizeRequest: sizes and times with what is staged over
                     // it
  Unique unique;
  std::uint64_t size = 0;
  Times times;
};
struct PlainAnswer {  // WRITE (all bytes), OPEN, RELEASE, FSYNC, FLUSH, SETATTR(times); any failure
  Unique unique;
  Status status = Status::ok;
};
using KernelAnswer = std::variant<ReadAnswer, AttrAnswer, PlainAnswer>;

// ---- invalidator jobs [F9]: done by another thread, which then posts JobDone{ticket}
struct Job {
  enum class Kind : unsigned char {
    drop,        // notify_inval_inode of [offset, offset + length)
    void_attrs,  // notify_inval_inode with off < 0: older GETATTR answers are void [Z8.1]
    raise_size,  // NOTIFY_STORE that cannot be read, i_size := size; then drop from offset [Z8.3-4]
    // void_attrs, drop from offset to the end, then a GETATTR of its own (fstat of an O_PATH
    // handle, AT_STATX_FORCE_SYNC), so that this kernel's size falls [2-kernel rule 19]
    shrink,
  };
  Ticket ticket;
  Ino ino;
  Kind kind = Kind::drop;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // 0 = to the end
  std::uint64_t size = 0;    // raise_size
  // raise_size, drop after a shrink: first wait until the kernel shows this ctime [Z9]
  std::optional<WallTime> after_ctime;
};
struct JobDone {
  Ticket ticket;
  Ino ino;
  bool unknown = false;  // the kernel has no such inode, or not yet
};

}  // namespace dspm::dsm
