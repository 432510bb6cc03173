#include "fs/errno.h"

#include <cerrno>

namespace dspm::fs {

int errno_of(Status status) {
  switch (status) {
    case Status::ok:
      return 0;
    case Status::no_entry:
      return ENOENT;
    case Status::gone:
      return ESTALE;  // never ENOENT: the kernel then looks the name up again
    case Status::exists:
      return EEXIST;
    case Status::not_directory:
      return ENOTDIR;
    case Status::is_directory:
      return EISDIR;
    case Status::not_empty:
      return ENOTEMPTY;
    case Status::invalid:
      return EINVAL;
    case Status::too_long:
      return ENAMETOOLONG;
    case Status::too_large:
      return EFBIG;
    case Status::no_space:
      return ENOSPC;
    case Status::denied:
      return EPERM;
    case Status::read_only:
      return EROFS;
    case Status::unsupported:
      return EOPNOTSUPP;
    case Status::busy:
      return EBUSY;
    case Status::timed_out:
    case Status::unavailable:
    case Status::unknown:
    case Status::corrupt:
    case Status::foreign:
    case Status::closed:
    case Status::io_error:
      return EIO;
  }
  return EIO;
}

}  // namespace dspm::fs
