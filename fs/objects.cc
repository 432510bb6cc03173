#include "fs/objects.h"

#include <algorithm>

namespace dspm::fs {

void Objects::acquire(Ino ino, bool is_file, GroupId home) {
  if (ino == kRootIno) return;
  Object& object = objects_[ino];
  if (object.lookups++ != 0) return;
  object.is_file = is_file;
  if (is_file) exchange_.step(ObjectLearnt{ino, home});
}

void Objects::release(Ino ino, std::uint64_t count) {
  const auto found = objects_.find(ino);
  if (found == objects_.end()) return;  // the root, or the self-test's object
  Object& object = found->second;
  object.lookups -= std::min(object.lookups, count);
  if (object.lookups != 0) return;
  const bool is_file = object.is_file;
  objects_.erase(found);
  if (is_file) exchange_.step_kernel(dsm::Forgotten{ino});
}

bool Objects::is_file(Ino ino) const {
  const auto found = objects_.find(ino);
  return found != objects_.end() && found->second.is_file;
}

WallTime Objects::ctime_to_name(Ino ino, WallTime real) {
  const auto found = objects_.find(ino);
  if (found == objects_.end()) return real;
  Object& object = found->second;
  if (object.unseen) {
    const auto shown = exchange_.device().shown_ctime(ino);
    if (shown && *shown < *object.unseen) return WallTime{object.unseen->ns - 1};
    object.unseen.reset();
  }
  object.named = std::max(object.named, real);
  return object.named;
}

WallTime Objects::ctime_of_setattr(Ino ino, WallTime real) {
  const auto found = objects_.find(ino);
  if (found == objects_.end()) return real;
  Object& object = found->second;
  // The kernel sends one SETATTR of an object at a time, the next when it has applied the last.
  object.named = std::max(WallTime{object.named.ns + 2}, real);
  object.unseen = object.named;
  return object.named;
}

}  // namespace dspm::fs
