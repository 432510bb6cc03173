#include "fs/dispatch.h"

#include <cerrno>

namespace dspm::fs {

Dispatch::Dispatch(Exchange& exchange, names::Tree& tree)
    : exchange_(exchange),
      objects_(exchange),
      attributes_(exchange, objects_, tree),
      data_(exchange),
      names_(exchange, objects_, attributes_, tree) {}

void Dispatch::request(const Request& request) {
  if (serve_data(request) || serve_names(request)) return;
  serve_rest(request);
}

bool Dispatch::serve_data(const Request& request) {
  void (RequestsData::*serve)(const Request&) = nullptr;
  switch (request.header->opcode) {
    case FUSE_READ:
      serve = &RequestsData::read;
      break;
    case FUSE_WRITE:
      serve = &RequestsData::write;
      break;
    case FUSE_OPEN:
      serve = &RequestsData::open;
      break;
    case FUSE_RELEASE:
      serve = &RequestsData::release;
      break;
    case FUSE_FLUSH:
      serve = &RequestsData::flush;
      break;
    case FUSE_FSYNC:
      serve = &RequestsData::fsync;
      break;
    default:
      return false;
  }
  if (objects_.is_file(request.ino()))
    (data_.*serve)(request);
  else
    exchange_.fail(request.unique(), ESTALE);  // never ENOENT (10-names)
  return true;
}

bool Dispatch::serve_names(const Request& request) {
  void (RequestsNames::*serve)(const Request&) = nullptr;
  switch (request.header->opcode) {
    case FUSE_LOOKUP:
      serve = &RequestsNames::lookup;
      break;
    case FUSE_CREATE:
      serve = &RequestsNames::create;
      break;
    case FUSE_MKNOD:
      serve = &RequestsNames::mknod;
      break;
    case FUSE_MKDIR:
      serve = &RequestsNames::mkdir;
      break;
    case FUSE_UNLINK:
      serve = &RequestsNames::unlink;
      break;
    case FUSE_RMDIR:
      serve = &RequestsNames::rmdir;
      break;
    case FUSE_RENAME:
      serve = &RequestsNames::rename;
      break;
    case FUSE_RENAME2:
      serve = &RequestsNames::rename2;
      break;
    case FUSE_OPENDIR:
      serve = &RequestsNames::opendir;
      break;
    case FUSE_READDIR:
      serve = &RequestsNames::readdir;
      break;
    case FUSE_RELEASEDIR:
      serve = &RequestsNames::releasedir;
      break;
    case FUSE_FORGET:
      serve = &RequestsNames::forget;
      break;
    case FUSE_BATCH_FORGET:
      serve = &RequestsNames::batch_forget;
      break;
    default:
      return false;
  }
  (names_.*serve)(request);
  return true;
}

void Dispatch::serve_rest(const Request& request) {
  switch (request.header->opcode) {
    case FUSE_GETATTR:
      return attributes_.getattr(request);
    case FUSE_SETATTR:
      return attributes_.setattr(request);
    case FUSE_STATFS:
      return attributes_.statfs(request);
    case FUSE_INIT:
      return exchange_.device().answer_init(request);
    case FUSE_INTERRUPT:
      return;  // every answer comes in bounded time anyway
    // Names are changed by committed transactions: nothing is left to be synced. DESTROY: the
    // daemon ends when the descriptor says so.
    case FUSE_FSYNCDIR:
    case FUSE_DESTROY:
      return exchange_.fail(request.unique(), 0);
    case FUSE_SYMLINK:
    case FUSE_LINK:
      return exchange_.fail(request.unique(), EOPNOTSUPP);
    // ENOSYS also says: do not ask again (xattrs, ACCESS: default_permissions; FALLOCATE, LSEEK:
    // the kernel's own way).
    default:
      return exchange_.fail(request.unique(), ENOSYS);
  }
}

}  // namespace dspm::fs
