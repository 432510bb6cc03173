// A file of a pool: opened, locked and made once; read and written by place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "utils/base/bytes.h"
#include "utils/base/result.h"

namespace dspm {

// `what` and the reason in errno. ENOSPC and EDQUOT: no_space; EACCES, EPERM: denied; ENOENT:
// no_entry; else io_error.
Error file_error(const std::string& what, int error_number);

// Open and locked against every other process (and every other PoolFile) as long as it lives. Its
// size does not change. read(): any thread.
class PoolFile {
 public:
  // An existing file, not a device. `flags` beside O_RDWR, e.g. O_DSYNC.
  // Errors: busy (locked: another daemon uses it), no_entry, denied, invalid, io_error.
  static Result<PoolFile> open(const std::string& path, int flags);
  // The same, made with mode 0600 where it is missing; its content stays.
  static Result<PoolFile> open_or_make(const std::string& path, int flags);

  PoolFile(PoolFile&& other) noexcept;
  PoolFile& operator=(PoolFile&&) = delete;
  ~PoolFile();

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }

  // Nothing but zeros in the first two pages, where superblocks and anchors are.
  Result<bool> blank() const;
  // Throws the content away: `size` bytes of holes, which read as zeros; durable, with its name.
  Outcome reset(std::uint64_t size);
  // Space of its own for these bytes, so that writing them (through a mapping too) cannot meet a
  // full file system [P10]. What is there stays. Errors: no_space, unsupported, io_error.
  Outcome secure(std::uint64_t offset, std::uint64_t length) const;
  // Writes zeros everywhere, durable: a write of what is only secured makes the file system note
  // that it has content now, which takes a transaction of its journal. Errors: no_space, io_error.
  Outcome fill() const;
  // Errors: io_error (the end of the file is one).
  Outcome read(std::uint64_t offset, std::span<std::byte> out) const;
  // fdatasync.
  Outcome sync() const;

 private:
  PoolFile(int fd, std::string path, std::uint64_t size);
  static Result<PoolFile> open_locked(const std::string& path, int flags);

  int fd_;
  std::string path_;
  std::uint64_t size_;
};

}  // namespace dspm
