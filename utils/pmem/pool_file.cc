#include "utils/pmem/pool_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace dspm {
namespace {

constexpr std::size_t kStart = 8192;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Error file_error(const std::string& what, int error_number) {
  const auto status = [&] {
    switch (error_number) {
      case ENOSPC:
      case EDQUOT:
        return Status::no_space;
      case EACCES:
      case EPERM:
        return Status::denied;
      case ENOENT:
        return Status::no_entry;
      case EOPNOTSUPP:
        return Status::unsupported;
      default:
        return Status::io_error;
    }
  };
  return {status(), what + ": " + std::generic_category().message(error_number)};
}

PoolFile::PoolFile(int fd, std::string path, std::uint64_t size)
    : fd_(fd), path_(std::move(path)), size_(size) {}

PoolFile::PoolFile(PoolFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)), size_(other.size_) {}

PoolFile::~PoolFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<PoolFile> PoolFile::open(const std::string& path, int flags) {
  return open_locked(path, flags);
}

Result<PoolFile> PoolFile::open_or_make(const std::string& path, int flags) {
  return open_locked(path, flags | O_CREAT);
}

Result<PoolFile> PoolFile::open_locked(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | flags, 0600);
  if (fd < 0) return file_error(path, errno);
  PoolFile file(fd, path, 0);
  struct stat st {};
  if (::fstat(fd, &st) != 0) return file_error(path, errno);
  if (!S_ISREG(st.st_mode)) return Error{Status::invalid, path + " is not an ordinary file"};
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error("lock of " + path, errno);
    return Error{Status::busy, path + " is in use: another daemon has it open"};
  }
  // Only now: its maker may have been at it until it let go of the lock.
  if (::fstat(fd, &st) != 0) return file_error(path, errno);
  file.size_ = std::uint64_t(st.st_size);
  return file;
}

Result<bool> PoolFile::blank() const {
  std::array<std::byte, kStart> start{};
  const std::size_t length = std::min<std::uint64_t>(size_, kStart);
  const Outcome got = read(0, std::span(start).first(length));
  if (!got) return got.error();
  return std::ranges::all_of(start, [](std::byte b) { return b == std::byte{}; });
}

Outcome PoolFile::reset(std::uint64_t size) {
  if (::ftruncate(fd_, 0) != 0 || ::ftruncate(fd_, off_t(size)) != 0 || ::fsync(fd_) != 0) {
    return file_error("making of " + path_, errno);
  }
  size_ = size;
  const std::string parent = parent_of(path_);
  const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return file_error(parent, errno);
  const int failed = ::fsync(folder) != 0 ? errno : 0;
  ::close(folder);
  if (failed != 0) return file_error("sync of " + parent, failed);
  return Done{};
}

Outcome PoolFile::secure(std::uint64_t offset, std::uint64_t length) const {
  DSPM_CHECK(offset <= size_ && length <= size_ - offset, path_, offset, length, size_);
  if (length == 0) return Done{};
  while (::fallocate(fd_, 0, off_t(offset), off_t(length)) != 0) {
    if (errno == EINTR) continue;
    return file_error("securing space for " + path_, errno);
  }
  return Done{};
}

Outcome PoolFile::fill() const {
  const Bytes zeros(std::min<std::uint64_t>(size_, std::uint64_t{1} << 20));
  for (std::uint64_t offset = 0; offset < size_;) {
    const std::size_t length = std::min<std::uint64_t>(size_ - offset, zeros.size());
    const ssize_t n = ::pwrite(fd_, zeros.data(), length, off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error("making of " + path_, errno);
    offset += std::uint64_t(n);
  }
  return sync();
}

Outcome PoolFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error("read of " + path_, errno);
    if (n == 0) return Error{Status::io_error, path_ + " has been cut short"};
    offset += std::uint64_t(n);
    out = out.subspan(std::size_t(n));
  }
  return Done{};
}

Outcome PoolFile::sync() const {
  if (::fdatasync(fd_) != 0) return file_error("sync of " + path_, errno);
  return Done{};
}

}  // namespace dspm
