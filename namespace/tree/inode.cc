#include "namespace/tree/inode.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "utils/base/bytes.h"
#include "utils/base/check.h"
#include "utils/base/page.h"

namespace dspm::names {
namespace {

constexpr std::uint8_t kInodeVersion = 1;
constexpr std::uint8_t kEntryVersion = 1;
constexpr std::size_t kMaxGroups = 4096;
constexpr std::size_t kMaxTarget = 4096;

ByteSpan bytes_of(const Value& value) { return std::as_bytes(std::span(value)); }
Value value_of(const Writer& w) {
  return {reinterpret_cast<const char*>(w.bytes().data()), w.bytes().size()};
}

std::string hex(Ino ino) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(ino.value));
  return text;
}

bool known_type(std::uint32_t mode) {
  const std::uint32_t type = mode & S_IFMT;
  return (mode & ~std::uint32_t{S_IFMT | 07777}) == 0 &&
         (type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFIFO ||
          type == S_IFSOCK || type == S_IFCHR || type == S_IFBLK);
}

// What is wrong with a record whose bytes are well formed; null = nothing.
const char* fault_of(const Inode& inode) {
  if (!known_type(inode.mode)) return "is of no known type";
  const Layout& layout = inode.layout;
  if (layout.chunk_size == 0 || layout.chunk_size % kPageSize != 0) return "has odd chunks";
  for (const GroupId group : layout.groups) {
    if (!group) return "names no group";
  }
  if (inode.is_file() && layout.groups.empty()) return "has no home";
  return nullptr;
}

}  // namespace

bool Inode::is_file() const { return S_ISREG(mode); }
bool Inode::is_directory() const { return S_ISDIR(mode); }

Value encode(const Inode& inode) {
  DSPM_CHECK(inode.layout.groups.size() <= kMaxGroups && inode.target.size() <= kMaxTarget);
  Writer w;
  w.put(kInodeVersion);
  w.put(inode.mode);
  w.put(inode.uid);
  w.put(inode.gid);
  w.put(inode.nlink);
  w.put(std::uint32_t{0});  // device number: no special files yet
  w.put(inode.ctime.ns);
  w.put(inode.mtime.ns);
  w.put(std::uint8_t(inode.atime.has_value()));
  w.put(inode.atime.value_or(WallTime()).ns);
  w.put(inode.entries);
  w.put(inode.parent);
  w.put(inode.layout.chunk_size);
  w.put(std::uint32_t(inode.layout.groups.size()));
  for (const GroupId group : inode.layout.groups) w.put(group);
  w.text(inode.target);
  w.put(std::uint8_t{0});   // mode: mrmw
  w.put(std::uint8_t{0});   // commit policy: close
  w.put(std::uint8_t{0});   // replicas: the cluster's
  w.put(std::uint32_t{0});  // extended attributes: none yet
  return value_of(w);
}

Result<Inode> decode_inode(const Value& value, Ino ino, Rev rev) {
  Reader r(bytes_of(value));
  const auto version = r.get<std::uint8_t>();
  if (r.ok() && version != kInodeVersion) {
    return Error{Status::foreign, "inode record of version " + std::to_string(version)};
  }
  Inode inode;
  inode.ino = ino;
  inode.rev = rev;
  r.get(inode.mode);
  r.get(inode.uid);
  r.get(inode.gid);
  r.get(inode.nlink);
  const auto rdev = r.get<std::uint32_t>();
  r.get(inode.ctime.ns);
  r.get(inode.mtime.ns);
  const auto has_atime = r.get<std::uint8_t>();
  const WallTime atime{r.get<std::int64_t>()};
  if (has_atime) inode.atime = atime;
  r.get(inode.entries);
  r.get(inode.parent);
  r.get(inode.layout.chunk_size);
  const std::uint32_t groups = r.count(4);
  if (groups > kMaxGroups) r.fail();
  inode.layout.groups.resize(r.ok() ? groups : 0);
  for (GroupId& group : inode.layout.groups) r.get(group);
  inode.target = r.text(kMaxTarget);
  const auto mode = r.get<std::uint8_t>(), policy = r.get<std::uint8_t>(),
             replicas = r.get<std::uint8_t>();
  const auto xattrs = r.get<std::uint32_t>();
  const bool reserved = rdev || mode || policy || replicas || xattrs;
  if (!r.finished() || has_atime > 1 || (!has_atime && atime.ns != 0) || reserved) {
    return Error{Status::corrupt, "inode record " + hex(ino) + " does not decode"};
  }
  if (const char* fault = fault_of(inode)) {
    return Error{Status::corrupt, "inode record " + hex(ino) + " " + fault};
  }
  return inode;
}

Value encode(const DirEntry& entry) {
  Writer w;
  w.put(kEntryVersion);
  w.put(entry.ino);
  w.put(entry.type);
  return value_of(w);
}

Result<DirEntry> decode_entry(const Value& value) {
  Reader r(bytes_of(value));
  const auto version = r.get<std::uint8_t>();
  if (r.ok() && version != kEntryVersion) {
    return Error{Status::foreign, "directory entry of version " + std::to_string(version)};
  }
  DirEntry entry;
  r.get(entry.ino);
  r.get(entry.type);
  if (!r.finished() || !entry.ino || (entry.type & 07777) != 0 || !known_type(entry.type)) {
    return Error{Status::corrupt, "directory entry does not decode"};
  }
  return entry;
}

WallTime later(WallTime stamp, WallTime old) {
  constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
  return std::max(stamp, WallTime{old.ns == kLast ? kLast : old.ns + 1});
}

Value encode_counter(std::uint64_t next) {
  Writer w;
  w.put(next);
  return value_of(w);
}

Result<std::uint64_t> decode_counter(const Value& value) {
  Reader r(bytes_of(value));
  const auto next = r.get<std::uint64_t>();
  if (!r.finished() || next <= kRootIno.value) {
    return Error{Status::corrupt, "the counter of inode numbers does not decode"};
  }
  return next;
}

Result<Value> apply_delta(const Value& value, const Delta& delta) {
  Result<Inode> read = decode_inode(value, Ino(), 0);
  if (!read) return read.error();
  Inode inode = *std::move(read);
  if (!inode.is_directory()) return Error{Status::not_directory, "delta of no directory"};
  std::int64_t entries = 0, nlink = 0;
  if (__builtin_add_overflow(inode.entries, delta.entries, &entries) || entries < 0 ||
      __builtin_add_overflow(std::int64_t{inode.nlink}, delta.nlink, &nlink) || nlink < 0 ||
      nlink > std::numeric_limits<std::uint32_t>::max()) {
    return Error{Status::corrupt, "a directory's counts leave their range"};
  }
  inode.entries = std::uint64_t(entries);
  inode.nlink = std::uint32_t(nlink);
  inode.mtime = later(delta.stamp, inode.mtime);
  inode.ctime = later(delta.stamp, inode.ctime);
  return encode(inode);
}

Key inode_key(Ino ino) { return "ino/" + hex(ino); }
Key orphan_key(Ino ino) { return "orphan/" + hex(ino); }
Key names_prefix(Ino dir) { return "ns/" + hex(dir) + "/"; }
Key name_key(Ino dir, const std::string& name) { return names_prefix(dir) + name; }

}  // namespace dspm::names
