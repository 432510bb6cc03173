// rename(2) and its flags as a transaction, and the pieces it shares with unlink (10-names.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "namespace/tree/operation.h"
#include "namespace/tree/tree.h"

namespace dspm::names {

struct RenameRequest {
  Ino from_dir;
  std::string from;
  Ino to_dir;
  std::string to;
  enum class How : unsigned char { replace, no_replace, exchange } how = How::replace;
  WallTime stamp;
  Time deadline = kNever;  // no new attempt after it
  // Directories that change their parent: which were checked for cycles, of the old name and (if
  // exchanged) of the new one, and the revision of `cfg/rename` before the check.
  Ino checked, checked_other;
  Rev checked_at = 0;
};

// Checks for cycles where directories change their parent, then one transaction.
void start_rename(const std::shared_ptr<TreeContext>& context, RenameRequest request,
                  Tree::OutcomeDone done);

// Status ok where `name` may be one.
Error check_name(const std::string& name);
// Errors: gone, corrupt; of read_directory also not_directory.
Result<Inode> read_inode(const Snapshot& seen, Ino ino);
Result<Inode> read_directory(const Snapshot& seen, Ino dir);
// Keys of the inodes that these entries name, as far as they are there.
Result<std::vector<Key>> keys_of_children(const Snapshot& seen, const std::vector<Key>& names);
// One link less; at none the object becomes an orphan, a directory goes.
void append_unlink(Txn& txn, Inode inode, WallTime stamp);

}  // namespace dspm::names
