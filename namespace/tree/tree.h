// The directory tree as transactions over a NameStore (10-names.md): each operation is one guarded
// transaction, retried by its loser, bounded. Loop thread; every callback comes later, on the loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "namespace/tree/inode.h"
#include "namespace/tree/name_store.h"
#include "utils/base/time.h"

namespace dspm::names {

struct NewInode {
  std::uint32_t mode = 0;  // with the type: S_IFREG or S_IFDIR
  std::uint32_t uid = 0, gid = 0;
  WallTime stamp;
};
// What chmod, chown and, for directories, utimens change; what is not set stays.
struct Changes {
  std::optional<std::uint32_t> mode;  // permission bits
  std::optional<std::uint32_t> uid, gid;
  std::optional<WallTime> atime, mtime;  // directories
  WallTime stamp;                        // new ctime = max(stamp, old + 1 ns)
};
struct Named {  // one entry of a directory
  std::string name;
  Ino ino;
  std::uint32_t type = 0;
  Rev cursor = 0;  // the revision that created it; above 2
};
struct NamedPage {
  std::vector<Named> entries;
  bool end = false;
};

struct TreeOptions {
  NodeId self;
  Incarnation incarnation;
  Layout layout;              // of files created here [S5]
  std::function<Time()> now;  // for the bound on retries; only called on the loop
  Duration retry_timeout = std::chrono::seconds(30);
};

class Tree {
 public:
  using InodeDone = std::function<void(Result<Inode>)>;
  using OutcomeDone = std::function<void(Outcome)>;
  // `store` must outlive the tree.
  Tree(NameStore& store, TreeOptions options);
  ~Tree();

  // Errors: no_entry, gone (the directory), not_directory, too_long, invalid, unavailable.
  void lookup(Ino dir, const std::string& name, InodeDone done);
  // By number. Errors: gone, never no_entry.
  void get(Ino ino, InodeDone done);
  // A file or a directory; in a setgid directory it gets that group. Errors: exists, unsupported
  // (another type) and those of lookup.
  void create(Ino dir, const std::string& name, const NewInode& fresh, InodeDone done);
  // First transaction only: at nlink 0 the object becomes an orphan. Errors: is_directory.
  void unlink(Ino dir, const std::string& name, WallTime stamp, OutcomeDone done);
  // Errors: not_empty, not_directory.
  void rmdir(Ino dir, const std::string& name, WallTime stamp, OutcomeDone done);
  // rename(2), over what is there unless `no_replace`. Errors: invalid (into itself), exists, ….
  void rename(Ino from_dir, const std::string& from, Ino to_dir, const std::string& to,
              bool no_replace, WallTime stamp, OutcomeDone done);
  // renameat2(RENAME_EXCHANGE): each name gets the other's object. Errors: no_entry, invalid (one
  // lies within the other), ….
  void exchange(Ino from_dir, const std::string& from, Ino to_dir, const std::string& to,
                WallTime stamp, OutcomeDone done);
  // One transaction; what it made. Errors: gone.
  void change(Ino ino, const Changes& changes, InodeDone done);
  // Entries with cursor > after and <= upto, ascending, at most `limit`. Of a directory that is
  // gone: none.
  void readdir(Ino dir, Rev after, Rev upto, std::size_t limit,
               std::function<void(Result<NamedPage>)> done);
  // The newest revision of a directory's listing: what OPENDIR saw. Errors: gone, not_directory.
  void newest(Ino dir, std::function<void(Result<Rev>)> done);

  // Makes the root directory where there is none.
  void make_root(WallTime stamp, OutcomeDone done);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace dspm::names
