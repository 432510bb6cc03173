#include "fs/requests_data.h"

#include <fcntl.h>

#include <cerrno>

namespace dspm::fs {

bool writable(std::uint64_t open_flags) { return (open_flags & O_ACCMODE) != O_RDONLY; }

std::uint64_t handle_of(Unique unique, std::uint32_t open_flags) {
  return unique.value << 32 | open_flags;
}

void RequestsData::read(const Request& request) {
  const auto* in = request.argument<fuse_read_in>();
  if (!in || in->size > kMaxTransfer || in->offset > kMaxObjectSize)
    return exchange_.fail(request.unique(), EINVAL);
  dsm::ReadRequest read;
  read.unique = request.unique();
  read.ino = request.ino();
  read.offset = in->offset;
  read.size = in->size;
  read.direct = (in->read_flags & FUSE_READ_LOCKOWNER) != 0;  // [2-kernel rule 5]
  exchange_.step_kernel(read);
}

void RequestsData::write(const Request& request) {
  const auto* in = request.argument<fuse_write_in>();
  if (!in || request.body.size() < sizeof *in + in->size)
    return exchange_.fail(request.unique(), EINVAL);
  if (in->offset > kMaxObjectSize - in->size) return exchange_.fail(request.unique(), EFBIG);
  dsm::WriteRequest write;
  write.unique = request.unique();
  write.ino = request.ino();
  write.offset = in->offset;
  write.bytes = request.body.subspan(sizeof *in, in->size);
  write.mapped = (in->write_flags & FUSE_WRITE_CACHE) != 0;
  write.direct = (in->write_flags & FUSE_WRITE_LOCKOWNER) != 0 && !write.mapped;
  write.stamp = exchange_.wall();
  exchange_.ask_write(write);
}

void RequestsData::open(const Request& request) {
  const auto* in = request.argument<fuse_open_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  exchange_.ask_open({request.unique(), request.ino(), writable(in->flags),
                      handle_of(request.unique(), in->flags)});
}

void RequestsData::release(const Request& request) {
  const auto* in = request.argument<fuse_release_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  exchange_.step_kernel(
      dsm::ReleaseRequest{request.unique(), request.ino(), writable(in->fh), in->fh});
}

void RequestsData::flush(const Request& request) {
  const auto* in = request.argument<fuse_flush_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  if (!writable(in->fh)) return exchange_.fail(request.unique(), 0);  // [2-kernel rule 16]
  exchange_.step_kernel(dsm::SyncRequest{request.unique(), request.ino(), in->fh, true});
}

void RequestsData::fsync(const Request& request) {
  const auto* in = request.argument<fuse_fsync_in>();
  if (!in) return exchange_.fail(request.unique(), EINVAL);
  exchange_.step_kernel(
      dsm::SyncRequest{request.unique(), request.ino(), in->fh});  // [2-kernel rule 3]
}

}  // namespace dspm::fs
