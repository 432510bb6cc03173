// /dev/fuse: the mount, one request at a time, one writev an answer, and the three notifications.
//
// Why the kernel's own structs (linux/fuse.h) and not libfuse's callbacks: the protocol needs what
// libfuse hides (the unique, read_flags and write_flags [2-kernel rule 5], a STORE whose payload
// cannot be read [Z8.3], INIT bits chosen one by one), and a request that is a plain slot of bytes
// is what the supervisor will keep (G6). Two parsers side by side would be two truths; this is one.
//
// Threads: read() and answers belong to the loop; notifications and shown_ctime() to any thread.
#pragma once

#include <linux/fuse.h>

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "utils/base/bytes.h"
#include "utils/base/ids.h"
#include "utils/base/page.h"
#include "utils/base/result.h"
#include "utils/base/time.h"

struct statx;

namespace dspm::fs {

// Of every object: numbers are never used twice (G8).
inline constexpr std::uint32_t kGenerationOfAll = 1;

// One request as it lies in the read buffer: valid until the next read().
struct Request {
  const fuse_in_header* header = nullptr;
  ByteSpan body;

  Unique unique() const { return Unique(header->unique); }
  Ino ino() const { return Ino(header->nodeid); }
  // The argument at the front of the body; null where the body is too short.
  template <class Argument>
  const Argument* argument() const {
    if (body.size() < sizeof(Argument)) return nullptr;
    return reinterpret_cast<const Argument*>(body.data());
  }
  // The zero-terminated string `skip` bytes into the body; null data where there is none.
  std::string_view text(std::size_t skip) const;
};

struct MountOptions {
  std::string mount_point;  // a directory
  // What a first load or a sequential read asks for at once [2-kernel rule 9].
  std::uint32_t read_ahead_kb = 0;
};

class Device {
 public:
  // Whether mount() would find a free directory; one clear sentence if not.
  static Outcome check_mount_point(const std::string& mount_point);
  // Opens /dev/fuse, mounts and tests that this kernel does what
  // the protocol rests on. One clear sentence as the error. Blocks for milliseconds.
  static Result<std::unique_ptr<Device>> mount(const MountOptions& options);
  // No mount: answers go to `fd`, which it then owns. For tests of what answers.
  static std::unique_ptr<Device> detached(int fd);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  enum class Got { request, nothing, unmounted };
  // The next request, without waiting.
  Got read(Request& request);
  // Whether requests wait here that readiness of fd() does not tell of.
  bool backlog() const { return !backlog_.empty(); }
  int fd() const { return fd_; }
  const std::string& mount_point() const { return mount_point_; }

  // ---- answers, each by one writev; an answer nobody waits for any more is not an error
  void fail(Unique unique, int error);  // errno; 0 = done, nothing to say
  template <class Answer>
  void answer(Unique unique, const Answer& answer) {
    answer_bytes(unique, std::as_bytes(std::span(&answer, 1)));
  }
  void answer_bytes(Unique unique, ByteSpan bytes);
  // Bytes [skip, skip + size) of the joined pages, straight from where they lie.
  void answer_pages(Unique unique, const std::vector<PageRef>& pages, std::uint32_t skip,
                    std::uint32_t size);
  // INIT: the flags of 2-kernel rules 1, 5 and 9, then the limits of the mount's bdi.
  void answer_init(const Request& request);

  // ---- notifications: may block for as long as a WRITE of the range is unanswered. errno or 0;
  // an object that the kernel does not know is success. Never from the loop's thread [G3].
  int drop(Ino ino, std::uint64_t offset, std::uint64_t length);  // length 0 = to the end
  int void_attributes(Ino ino);                                   // [Z8.1]
  int raise_size(Ino ino, std::uint64_t size);                    // [Z8.3]
  // Makes the kernel send a GETATTR and take its size [2-kernel rule 19]; waits for the answer.
  int refresh_size(Ino ino);
  // The ctime that the kernel shows without asking us [Z9]; none: it does not know the object.
  std::optional<WallTime> shown_ctime(Ino ino) const;

  // Whether our mount is still where it was made, and not another at its place.
  bool is_ours() const;
  // Lets the kernel write back what is dirty, then takes the mount away, by force where programs
  // still use it. Another thread than the loop's, while that goes on answering. Safe twice.
  void unmount();
  // Ends the connection: whoever waits for an answer or inside a notification returns. Any thread.
  void abort();

 private:
  Device(int fd, std::string mount_point, std::uint32_t read_ahead_kb);
  Outcome self_test();
  bool answer_probe(const Request& request);
  Outcome test_raise();
  bool show(Ino ino, int sync, struct statx& shown) const;
  void send(Unique unique, int error, std::span<const ByteSpan> parts);
  void bound_bdi();
  bool find_device(std::uint32_t& major, std::uint32_t& minor) const;

  int fd_ = -1;
  int root_ = -1;  // the mount's root, for open_by_handle_at
  std::string mount_point_;
  std::uint32_t read_ahead_kb_;
  std::uint32_t device_ = 0;  // minor of the mount's device: the connection's id
  std::atomic<bool> mounted_ = true;
  std::byte* buffer_ = nullptr;
  std::size_t buffer_size_ = 0;
  void* unreadable_ = nullptr;  // PROT_NONE page
  std::deque<Bytes> backlog_;   // requests that came during the self-test
  Bytes current_;               // the one of them being served
};

}  // namespace dspm::fs
