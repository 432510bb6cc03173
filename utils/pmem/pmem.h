// A node's persistent memory behind one seam (3-protocol P2): two regions, the pool (superblocks,
// frame headers, frames) and the circular log. Two kinds of memory: byte-addressable, where a fence
// is inline and costs less than a microsecond, and ordinary files, where a flusher thread each
// writes and the loop only hears of it (P3). A simulated one stands beside them in the tests.
// The end of a Pmem is a crash for what is not durable: settle() first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "utils/base/bytes.h"
#include "utils/base/result.h"

namespace dspm {

enum class PmemKind : std::uint8_t { byte_addressable, file };
enum class PmemRegion : std::uint8_t { pool, log };

// One thread (the loop's) calls everything; read() and secure() may come from others beside it.
// Offsets and lengths are in bytes within the region; out of range is a bug of the caller
// (DSPM_CHECK).
class Pmem {
 public:
  virtual ~Pmem() = default;

  virtual PmemKind kind() const = 0;
  virtual std::uint64_t size(PmemRegion region) const = 0;

  // ---- the log: append, then fence
  // Takes a copy. Lost or torn in any of its 8-byte words (file: 512-byte sectors) by a crash
  // before a fence that began later has ended.
  virtual void append(std::uint64_t offset, ByteSpan bytes) = 0;
  // Begins to make all that was appended so far durable; one more while one is under way joins the
  // next. Returns its number: durable once fences_done() >= number. Byte-addressable: at once.
  virtual std::uint64_t fence() = 0;
  virtual std::uint64_t fences_done() const = 0;

  // ---- the pool: write without order, then sync (at a checkpoint)
  // Byte-addressable: the mapped pool, into which frames are folded; every store there is followed
  // by flush() of its range. To touch what is not secured may end the process (SIGBUS). File: null.
  virtual std::byte* memory() = 0;
  virtual void flush(std::uint64_t offset, std::uint64_t length) = 0;
  // Takes a copy; a later write of the same bytes may replace an earlier one that has not begun.
  // Byte-addressable: a store past the caches and its flush(), best for whole pages.
  virtual void write(std::uint64_t offset, ByteSpan bytes) = 0;
  // Begins to make all flush()es and write()s so far durable; durable once syncs_done() >= its
  // number.
  virtual std::uint64_t sync() = 0;
  virtual std::uint64_t syncs_done() const = 0;
  // Bytes of write() that wait for the flusher: back-pressure belongs to the caller.
  virtual std::uint64_t backlog() const = 0;
  // Space of its own for the first `length` bytes of a pool that was made sparse: writing what is
  // secured cannot meet a full file system [P10]. Again after a restart costs nothing. May block.
  // Errors: no_space, unsupported, io_error; then what was secured before still is.
  virtual Outcome secure(std::uint64_t length) = 0;

  // ---- reading: of what was written, durable or not
  // May block: creation, recovery and the I/O thread only. Errors: io_error.
  virtual Outcome read(PmemRegion region, std::uint64_t offset, std::span<std::byte> out) = 0;
  // Blocks until all that was appended and written is durable, whoever wrote it [E5]. Errors:
  // io_error, no_space.
  virtual Outcome settle() = 0;

  // ---- progress of the flusher
  // `call` runs on any thread, but never inside a call of this object, when poll() or backlog() has
  // something to say; set it before the first append().
  virtual void on_progress(std::function<void()> call) = 0;
  // Brings fences_done(), syncs_done() and health() up to date.
  virtual void poll() = 0;
  // The first write or sync that failed, for good: nothing after it counts as durable.
  virtual const Outcome& health() const = 0;
};

}  // namespace dspm
