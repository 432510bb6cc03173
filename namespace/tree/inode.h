// The record of an object under `ino/<ino>` (10-names.md): everything but the size and times of a
// regular file, which its home keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "namespace/tree/layout.h"
#include "namespace/tree/name_store.h"
#include "utils/base/ids.h"

namespace dspm::names {

struct Inode {
  Ino ino;
  std::uint32_t mode = 0;  // type and permissions, as in stat(2)
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t nlink = 0;
  WallTime ctime;
  Layout layout;                  // regular files
  WallTime mtime;                 // directories; files: until their first commit
  std::optional<WallTime> atime;  // set explicitly; else atime = mtime
  std::uint64_t entries = 0;      // directories
  Ino parent;                     // directories: for the check against cycles; root: itself
  std::string target;             // symbolic links
  Rev rev = 0;                    // of the record as it was read; not stored

  bool is_file() const;
  bool is_directory() const;
  // [S4] The group that keeps the object's size; 0 for anything but files.
  GroupId home() const { return home_of(layout, ino); }
  bool operator==(const Inode&) const = default;
};

// Versioned, little endian, bounded; docs/names.md has the layout. What is too long for its limit
// (target, groups) is the caller's fault and ends the process.
Value encode(const Inode& inode);
// Errors: corrupt (names what), foreign (a version that this program does not know).
Result<Inode> decode_inode(const Value& value, Ino ino, Rev rev);

// `ns/<dir>/<name>`: which object, and its type for readdir.
struct DirEntry {
  Ino ino;
  std::uint32_t type = 0;  // the S_IFMT bits
  bool operator==(const DirEntry&) const = default;
};
Value encode(const DirEntry& entry);
// Errors: corrupt, foreign.
Result<DirEntry> decode_entry(const Value& value);

// A time that moves on: max(stamp, old + 1 ns).
WallTime later(WallTime stamp, WallTime old);

// `cfg/ino`: the first inode number that nobody has taken. Errors: corrupt.
Value encode_counter(std::uint64_t next);
Result<std::uint64_t> decode_counter(const Value& value);

// ApplyDelta for inode records of directories. Errors: corrupt (also counts below zero), foreign,
// not_directory.
Result<Value> apply_delta(const Value& value, const Delta& delta);

Key inode_key(Ino ino);
Key orphan_key(Ino ino);
Key names_prefix(Ino dir);
Key name_key(Ino dir, const std::string& name);

}  // namespace dspm::names
