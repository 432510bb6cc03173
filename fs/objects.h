// The objects that the kernel knows, each from its first LOOKUP or CREATE answer to the FORGET of
// the last: what the node must learn first, and which ctime may be named. The loop's thread only.
//
// [Z9] The kernel applies a SETATTR answer late and unversioned; its ctime T says when it has. So T
// is unique, and until the kernel shows T every other answer about the object names T - 1 ns: an
// answer that named T would be taken for the SETATTR's. (One that is overtaken by the SETATTR's is
// ignored by the kernel, for attributes have versions; so T never falls back.)
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>

#include "fs/exchange.h"
#include "utils/base/ids.h"
#include "utils/base/time.h"

namespace dspm::fs {

class Objects {
 public:
  explicit Objects(Exchange& exchange) : exchange_(exchange) {}

  // One more lookup that the kernel will count. A file's first tells the node where it lives.
  void acquire(Ino ino, bool is_file, GroupId home);
  // `count` lookups less; the last is the end of the object here.
  void release(Ino ino, std::uint64_t count);
  // Whether requests by this number may come.
  bool known(Ino ino) const { return ino == kRootIno || objects_.contains(ino); }
  bool is_file(Ino ino) const;

  // What any answer but SETATTR's names for a file whose ctime is `real`: never below what was
  // named before.
  WallTime ctime_to_name(Ino ino, WallTime real);
  // What a SETATTR answer names: above all that was named before by more than 1 ns.
  WallTime ctime_of_setattr(Ino ino, WallTime real);

  std::size_t size() const { return objects_.size(); }

 private:
  struct Object {
    std::uint64_t lookups = 0;
    bool is_file = false;
    WallTime named;                  // highest ctime the kernel may know
    std::optional<WallTime> unseen;  // of a SETATTR answer that the kernel may not have applied
  };
  Exchange& exchange_;
  std::unordered_map<Ino, Object> objects_;
};

}  // namespace dspm::fs
