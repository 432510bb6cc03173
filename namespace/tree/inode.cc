#include "namespace/tree/inode.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

#include "utils/base/bytes.h"

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

}  // namespace

bool Inode::is_file() const { return S_ISREG(mode); }
bool Inode::is_directory() const { return S_ISDIR(mode); }

Value encode(const Inode& inode) {
  Writer w;
  w.put(kInodeVersion);
  w.put(inode.mode);
  w.put(inode.uid);
  w.put(inode.gid);
  w.put(inode.nlink);
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
  r.get(inode.ctime.ns);
  r.get(inode.mtime.ns);
  const auto has_atime = r.get<std::uint8_t>();
  const WallTime atime{r.get<std::int64_t>()};
  if (has_atime) inode.atime = atime;
  r.get(inode.entries);
  r.get(inode.parent);
  r.get(inode.layout.chunk_size);
  inode.layout.groups.resize(std::min<std::size_t>(r.count(4), kMaxGroups));
  for (GroupId& group : inode.layout.groups) r.get(group);
  inode.target = r.text(kMaxTarget);
  const auto mode = r.get<std::uint8_t>(), policy = r.get<std::uint8_t>(),
             replicas = r.get<std::uint8_t>();
  const auto xattrs = r.get<std::uint32_t>();
  if (!r.finished() || has_atime > 1 || mode || policy || replicas || xattrs) {
    return Error{Status::corrupt, "inode record " + hex(ino) + " does not decode"};
  }
  if (inode.is_file() && (inode.layout.groups.empty() || !inode.home())) {
    return Error{Status::corrupt, "inode record " + hex(ino) + " has no home"};
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
  if (!r.finished() || !entry.ino) return Error{Status::corrupt, "directory entry"};
  return entry;
}

Result<Value> apply_delta(const Value& value, const Delta& delta) {
  Result<Inode> read = decode_inode(value, Ino(), 0);
  if (!read) return read.error();
  Inode inode = *std::move(read);
  if (!inode.is_directory()) return Error{Status::not_directory, "delta of no directory"};
  inode.entries = std::uint64_t(std::int64_t(inode.entries) + delta.entries);
  inode.nlink = std::uint32_t(std::int64_t{inode.nlink} + delta.nlink);
  inode.mtime = inode.ctime = std::max(delta.stamp, WallTime{inode.mtime.ns + 1});
  return encode(inode);
}

Key inode_key(Ino ino) { return "ino/" + hex(ino); }
Key orphan_key(Ino ino) { return "orphan/" + hex(ino); }
Key names_prefix(Ino dir) { return "ns/" + hex(dir) + "/"; }
Key name_key(Ino dir, const std::string& name) { return names_prefix(dir) + name; }

}  // namespace dspm::names
