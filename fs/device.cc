#include "fs/device.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "utils/base/limits.h"

namespace dspm::fs {
namespace {

constexpr std::size_t kRequestRoom = kMaxTransfer + 65536;  // a WRITE and its headers
// Dirty pages of the mount, so that a fence fits its budget (G4: 20 us a page, 0.25 s).
constexpr std::uint64_t kMaxDirtyBytes = std::uint64_t{48} << 20;
constexpr std::uint32_t kMinorSpoken = 38;
constexpr std::uint32_t kMinorNeeded = 36;  // Linux 6.0: flags2

// The object that the self-test looks up; no inode number is ever as high.
constexpr std::uint64_t kProbeIno = std::uint64_t{1} << 63;
constexpr std::string_view kProbeName = ".dspm-probe";
constexpr std::uint64_t kProbeSize = 100, kProbeRaised = 8000;
constexpr std::int64_t kProbeCtime = 77'000'000'001;
constexpr int kProbeWaitMs = 5000;

std::string quoted(const std::string& path) { return "mount point '" + path + "'"; }

// Whether something is mounted at `path`, without touching what is mounted (it may be dead).
bool is_mounted(const std::string& path) {
  std::ifstream in("/proc/self/mountinfo");
  std::string line;
  while (std::getline(in, line)) {
    std::size_t at = 0;
    for (int field = 0; field < 4; ++field) at = line.find(' ', at) + 1;
    std::string where = line.substr(at, line.find(' ', at) - at);
    for (std::size_t k; (k = where.find("\\040")) != std::string::npos;) where.replace(k, 4, " ");
    if (where == path) return true;
  }
  return false;
}

std::string absolute(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  char real[PATH_MAX];
  if (const std::size_t cut = path.find_last_of('/'); cut != std::string::npos && cut > 0) {
    // only the parent is resolved: the last part may be a mount whose daemon is gone
    if (::realpath(path.substr(0, cut).c_str(), real)) return real + path.substr(cut);
  } else if (cut == std::string::npos && ::realpath(".", real)) {
    return std::string(real) + "/" + path;
  }
  return path;
}

Outcome check_place(const std::string& path) {
  if (is_mounted(path))
    return {Status::busy, quoted(path) + " is busy: something is mounted there already"};
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0)
    return {Status::no_entry, quoted(path) + ": " + std::strerror(errno)};
  if (!S_ISDIR(st.st_mode)) return {Status::not_directory, quoted(path) + " is not a directory"};
  return Done{};
}

}  // namespace

std::string_view Request::text(std::size_t skip) const {
  if (skip >= body.size()) return {};
  const auto* from = reinterpret_cast<const char*>(body.data()) + skip;
  const auto* end = static_cast<const char*>(std::memchr(from, 0, body.size() - skip));
  return end ? std::string_view(from, std::size_t(end - from)) : std::string_view{};
}

Outcome Device::check_mount_point(const std::string& mount_point) {
  return check_place(absolute(mount_point));
}

Result<std::unique_ptr<Device>> Device::mount(const MountOptions& options) {
  const std::string path = absolute(options.mount_point);
  if (Outcome place = check_place(path); !place) return place.error();
  const int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return {Status::unavailable, std::string("/dev/fuse cannot be opened (") +
                                     std::strerror(errno) +
                                     "): is the fuse module loaded, and is this root?"};
  char data[160];
  std::snprintf(data, sizeof data,
                "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fd);
  if (::mount("dspm", path.c_str(), "fuse.dspm", MS_NOSUID | MS_NODEV, data) != 0) {
    const int why = errno;
    ::close(fd);
    const bool root = ::geteuid() == 0;
    return {why == EPERM ? Status::denied : Status::io_error,
            quoted(path) + ": mount failed: " + std::strerror(why) +
                (root ? "" : "; dspmd must run as root")};
  }
  std::unique_ptr<Device> device(new Device(fd, path, options.read_ahead_kb));
  if (Outcome test = device->self_test(); !test) return test.error();
  return device;
}

std::unique_ptr<Device> Device::detached(int fd) {
  std::unique_ptr<Device> device(new Device(fd, {}, 0));
  device->mounted_ = false;
  return device;
}

Device::Device(int fd, std::string mount_point, std::uint32_t read_ahead_kb)
    : fd_(fd), mount_point_(std::move(mount_point)), read_ahead_kb_(read_ahead_kb) {
  buffer_size_ = kRequestRoom;
  void* room = ::mmap(nullptr, buffer_size_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  unreadable_ = ::mmap(nullptr, kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  DSPM_CHECK(room != MAP_FAILED && unreadable_ != MAP_FAILED, errno);
  buffer_ = static_cast<std::byte*>(room);
}

Device::~Device() {
  // Nobody reads any more: by force, or the kernel would wait for an answer.
  if (mounted_.exchange(false) && is_ours())
    ::umount2(mount_point_.c_str(), MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
  abort();
  if (root_ >= 0) ::close(root_);
  ::munmap(buffer_, buffer_size_);
  ::munmap(unreadable_, kPageSize);
  ::close(fd_);
}

void Device::unmount() {
  if (!mounted_.exchange(false)) return;
  // Here, because a mount in use is taken away by force, which discards what is dirty.
  if (root_ >= 0) ::syncfs(root_);
  if (!is_ours()) return;
  // Our own handle of the root would keep the mount busy; an invalidator may be using it.
  if (const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC); nothing >= 0) {
    if (root_ >= 0) ::dup3(nothing, root_, O_CLOEXEC);
    ::close(nothing);
  }
  if (::umount2(mount_point_.c_str(), UMOUNT_NOFOLLOW) == 0) return;
  // In use: the connection is aborted, so that nobody inside the kernel waits for us any more.
  if (errno == EBUSY) ::umount2(mount_point_.c_str(), MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
}

Device::Got Device::read(Request& request) {
  std::size_t size = 0;
  const std::byte* from = buffer_;
  if (!backlog_.empty()) {
    current_ = std::move(backlog_.front());
    backlog_.pop_front();
    from = current_.data();
    size = current_.size();
  } else {
    for (;;) {
      const ssize_t got = ::read(fd_, buffer_, buffer_size_);
      if (got >= 0) {
        size = std::size_t(got);
        break;
      }
      if (errno == EAGAIN) return Got::nothing;
      if (errno == EINTR || errno == ENOENT) continue;  // ENOENT: interrupted before it was read
      return Got::unmounted;                            // ENODEV
    }
  }
  if (size < sizeof(fuse_in_header)) return Got::unmounted;
  request.header = reinterpret_cast<const fuse_in_header*>(from);
  request.body = {from + sizeof(fuse_in_header), size - sizeof(fuse_in_header)};
  return Got::request;
}

void Device::send(Unique unique, int error, std::span<const ByteSpan> parts) {
  fuse_out_header head{};
  head.unique = unique.value;
  head.error = -error;
  head.len = sizeof head;
  std::vector<iovec> pieces;
  pieces.reserve(parts.size() + 1);
  pieces.push_back({&head, sizeof head});
  for (const ByteSpan& part : parts) {
    head.len += std::uint32_t(part.size());
    pieces.push_back({const_cast<std::byte*>(part.data()), part.size()});
  }
  while (::writev(fd_, pieces.data(), int(pieces.size())) < 0) {
    if (errno == EINTR) continue;
    // ENOENT: killed or aborted meanwhile; ENODEV: unmounted. Neither is anybody's loss.
    if (errno != ENOENT && errno != ENODEV && errno != EPERM)
      std::fprintf(stderr, "dspmd: answer to request %llu refused: %s\n",
                   static_cast<unsigned long long>(unique.value), std::strerror(errno));
    return;
  }
}

void Device::fail(Unique unique, int error) { send(unique, error, {}); }

void Device::answer_bytes(Unique unique, ByteSpan bytes) {
  send(unique, 0, std::span(&bytes, bytes.empty() ? 0 : 1));
}

void Device::answer_pages(Unique unique, const std::vector<PageRef>& pages, std::uint32_t skip,
                          std::uint32_t size) {
  std::vector<ByteSpan> parts;
  parts.reserve(pages.size());
  std::size_t left = size, from = skip;
  for (const PageRef& page : pages) {
    if (left == 0) break;
    if (from >= kPageSize) {
      from -= kPageSize;
      continue;
    }
    const std::size_t take = std::min(left, kPageSize - from);
    parts.emplace_back(page->data.data() + from, take);
    left -= take;
    from = 0;
  }
  DSPM_CHECK(left == 0, left, size, pages.size());
  send(unique, 0, parts);
}

void Device::answer_init(const Request& request) {
  const auto* in = request.argument<fuse_init_in>();
  if (!in || in->major < 7) return fail(request.unique(), EPROTO);
  fuse_init_out out{};
  out.major = 7;
  out.minor = std::min(in->minor, kMinorSpoken);
  if (in->major > 7) {  // the kernel comes again with our major
    out.minor = kMinorSpoken;
    return answer(request.unique(), out);
  }
  if (in->minor < kMinorNeeded) return fail(request.unique(), EPROTO);
  const std::uint64_t offered = in->flags | std::uint64_t{in->flags2} << 32;
  // Left out on purpose [2-kernel rules 1, 12, 13]: WRITEBACK_CACHE, ASYNC_DIO, splice,
  // AUTO_INVAL_DATA, ATOMIC_O_TRUNC, POSIX_LOCKS, FLOCK_LOCKS, READDIRPLUS, HANDLE_KILLPRIV.
  const std::uint64_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES |
                               FUSE_EXPLICIT_INVAL_DATA | FUSE_PARALLEL_DIROPS | FUSE_INIT_EXT;
  out.flags = std::uint32_t(wanted & offered);
  out.flags2 = std::uint32_t((wanted & offered) >> 32);
  out.max_readahead = in->max_readahead;  // bounded by the bdi's read_ahead_kb
  out.max_background = 65535;             // [2-kernel rule 9]
  out.congestion_threshold = 65535;
  out.max_write = kMaxTransfer;
  out.max_pages = kMaxTransfer / kPageSize;
  out.time_gran = 1;
  answer(request.unique(), out);
  bound_bdi();
}

// The device of what is mounted at our place, asked without a request.
bool Device::find_device(std::uint32_t& major, std::uint32_t& minor) const {
  struct statx sx {};
  const int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW;
  if (::statx(AT_FDCWD, mount_point_.c_str(), flags, STATX_INO, &sx) != 0) return false;
  major = sx.stx_dev_major;
  minor = sx.stx_dev_minor;
  return true;
}

bool Device::is_ours() const {
  std::uint32_t major = 0, minor = 0;
  return is_mounted(mount_point_) && find_device(major, minor) && minor == device_;
}

void Device::abort() {
  if (device_ == 0) return;
  std::ofstream("/sys/fs/fuse/connections/" + std::to_string(device_) + "/abort") << 1;
}

void Device::bound_bdi() {
  std::uint32_t major = 0;
  if (!find_device(major, device_)) return;
  char folder[96];
  std::snprintf(folder, sizeof folder, "/sys/class/bdi/%u:%u/", major, device_);
  const auto set = [&](const char* key, std::uint64_t value) {
    std::ofstream out(std::string(folder) + key);
    out << value << std::flush;
    return bool(out);
  };
  set("read_ahead_kb", read_ahead_kb_);
  set("strict_limit", 1);  // Linux 6.2; before it the mount has it anyway
  if (!set("max_bytes", kMaxDirtyBytes)) set("max_ratio", 1);
}

// ---- notifications

int Device::drop(Ino ino, std::uint64_t offset, std::uint64_t length) {
  struct {
    fuse_out_header head;
    fuse_notify_inval_inode_out body;
  } m{};
  m.head.len = sizeof m;
  m.head.error = FUSE_NOTIFY_INVAL_INODE;
  m.body.ino = ino.value;
  m.body.off = std::int64_t(offset);
  m.body.len = std::int64_t(length);
  while (::write(fd_, &m, sizeof m) < 0) {
    if (errno == EINTR) continue;
    return errno;
  }
  return 0;
}

int Device::void_attributes(Ino ino) {
  return drop(ino, std::uint64_t(std::int64_t{-1}), 0);  // off < 0: attributes only
}

int Device::raise_size(Ino ino, std::uint64_t size) {
  if (size == 0) return 0;
  struct {
    fuse_out_header head;
    fuse_notify_store_out body;
  } m{};
  m.head.len = sizeof m + 1;
  m.head.error = FUSE_NOTIFY_STORE;
  m.body.nodeid = ino.value;
  m.body.offset = size - 1;
  m.body.size = 1;
  const iovec parts[2] = {{&m, sizeof m}, {unreadable_, 1}};
  while (::writev(fd_, parts, 2) < 0) {
    if (errno == EINTR) continue;
    return errno == EFAULT ? 0 : errno;  // EFAULT: raised, no byte touched
  }
  return EIO;  // the payload was read: a page has bytes that nobody wrote
}

// `sync`: AT_STATX_DONT_SYNC sends no request, AT_STATX_FORCE_SYNC one.
bool Device::show(Ino ino, int sync, struct statx& shown) const {
  constexpr std::size_t kWords = 3;
  alignas(file_handle) std::byte room[sizeof(file_handle) + kWords * sizeof(std::uint32_t)] = {};
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = kWords * sizeof(std::uint32_t);
  handle->handle_type = 0x81;  // FILEID_INO64_GEN
  const std::uint32_t words[kWords] = {std::uint32_t(ino.value >> 32), std::uint32_t(ino.value),
                                       kGenerationOfAll};
  std::memcpy(handle->f_handle, words, sizeof words);
  const int fd = ::open_by_handle_at(root_, handle, O_PATH | O_CLOEXEC);
  if (fd < 0) return false;
  const int done = ::statx(fd, "", AT_EMPTY_PATH | sync, STATX_CTIME | STATX_SIZE, &shown);
  ::close(fd);
  return done == 0;
}

int Device::refresh_size(Ino ino) {
  struct statx sx {};
  show(ino, AT_STATX_FORCE_SYNC, sx);  // unknown to the kernel, or gone: nothing to refresh
  return 0;
}

std::optional<WallTime> Device::shown_ctime(Ino ino) const {
  struct statx sx {};
  if (!show(ino, AT_STATX_DONT_SYNC, sx)) return std::nullopt;
  return WallTime{sx.stx_ctime.tv_sec * 1'000'000'000 + sx.stx_ctime.tv_nsec};
}

// ---- self-test: one object that only this test ever sees

Outcome Device::self_test() {
  std::atomic<int> probe{-2};  // -2: not yet opened
  std::thread opener([&] {     // opens need answers, which this thread gives
    root_ = ::open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::string path = mount_point_ + "/" + std::string(kProbeName);
    probe = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  });
  std::deque<Bytes> kept;
  for (int waited = 0; probe == -2 && waited < kProbeWaitMs;) {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, 1) == 0) ++waited;
    Request request;
    const Got got = read(request);
    if (got == Got::unmounted) break;
    if (got == Got::nothing || answer_probe(request)) continue;
    const auto* from = reinterpret_cast<const std::byte*>(request.header);
    kept.emplace_back(from, from + sizeof(fuse_in_header) + request.body.size());
  }
  if (probe == -2 && mounted_.exchange(false))  // aborting wakes the opener
    ::umount2(mount_point_.c_str(), MNT_FORCE | MNT_DETACH);
  opener.join();
  backlog_ = std::move(kept);
  if (probe < 0 || root_ < 0)
    return {Status::unavailable, quoted(mount_point_) + ": the kernel does not speak to dspmd"};
  Outcome tested = test_raise();
  ::close(probe);
  return tested;
}

bool Device::answer_probe(const Request& request) {
  fuse_attr attr{};
  attr.ino = request.header->nodeid;
  attr.nlink = 2;
  attr.mode = S_IFDIR | 0755;
  fuse_attr object = attr;
  object.ino = kProbeIno;
  object.nlink = 1;
  object.mode = S_IFREG | 0600;
  object.size = kProbeSize;
  object.ctime = kProbeCtime / 1'000'000'000;
  object.ctimensec = kProbeCtime % 1'000'000'000;
  switch (request.header->opcode) {
    case FUSE_INIT:
      answer_init(request);
      return true;
    case FUSE_GETATTR: {
      fuse_attr_out out{};
      out.attr = request.header->nodeid == kProbeIno ? object : attr;
      answer(request.unique(), out);
      return true;
    }
    case FUSE_LOOKUP: {
      if (request.text(0) != kProbeName) return false;
      fuse_entry_out out{};
      out.nodeid = kProbeIno;
      out.generation = kGenerationOfAll;
      out.attr = object;
      answer(request.unique(), out);
      return true;
    }
    case FUSE_OPENDIR:
      answer(request.unique(), fuse_open_out{});
      return true;
    default:
      return false;
  }
}

Outcome Device::test_raise() {
  struct statx sx {};
  if (!show(Ino(kProbeIno), AT_STATX_DONT_SYNC, sx) ||
      sx.stx_ctime.tv_nsec != kProbeCtime % 1'000'000'000)
    return {Status::unsupported,
            std::string("this kernel does not show an object's times to dspmd "
                        "(open_by_handle_at; CAP_DAC_READ_SEARCH is needed): ") +
                std::strerror(errno)};
  const int error = raise_size(Ino(kProbeIno), kProbeRaised);
  if (error != 0 || !show(Ino(kProbeIno), AT_STATX_DONT_SYNC, sx) || sx.stx_size != kProbeRaised)
    return {
        Status::unsupported,
        std::string("this kernel does not raise a size by NOTIFY_STORE: ") + std::strerror(error)};
  return Done{};
}

}  // namespace dspm::fs
