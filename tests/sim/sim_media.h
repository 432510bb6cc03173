// What a simulated persistent memory leaves behind: its bytes, and beside them all that a power
// failure may still undo. It outlives the processes that use it (kill -9 undoes nothing that has
// reached it), and copies of it can be recovered from on the side.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/aligned_bytes.h"
#include "utils/base/bytes.h"
#include "utils/pmem/pmem.h"

namespace dspm::sim {

// What becomes of stores that were not yet durable.
enum class Keep : std::uint8_t { nothing, everything, random };

// A region in units of which each is cut on its own: a cache line, which takes 8-byte stores, or a
// sector, which is stored whole.
class SimRegion {
 public:
  // `unit`, `store`: bytes. `in_order`: what survives of a unit's stores is a beginning of them;
  // else any version of each word (stores past the caches).
  SimRegion(std::uint64_t size, std::uint32_t unit, std::uint32_t store, bool in_order);

  std::uint64_t size() const { return now_.size(); }
  ByteSpan bytes() const { return now_; }        // as a program sees them
  ByteSpan durable() const { return durable_; }  // as after Keep::nothing
  // For stores that nobody reports; they are found by notice().
  std::byte* memory() { return now_.data(); }

  void store(std::uint64_t offset, ByteSpan bytes);
  // Records the stores through memory() within the units of this range; in what order they were
  // done is unknown.
  void notice(std::uint64_t offset, std::uint64_t length);
  // The stores recorded so far in the units of this range cannot be lost any more.
  void make_durable(std::uint64_t offset, std::uint64_t length);
  // All of it, recorded or not.
  void make_durable();

  void lose_power(Keep keep, std::uint64_t seed);
  // Rot: in what is durable and in what is not.
  void flip_bit(std::uint64_t offset, unsigned bit);

 private:
  struct Store {
    std::uint64_t call;  // of store() or notice() that recorded it
    std::uint32_t at;    // within the unit
    Bytes bytes;
  };
  using Stores = std::vector<Store>;
  void record(std::uint64_t offset);
  void apply(std::uint64_t unit, const Store& store);

  std::uint32_t unit_, store_;
  bool in_order_;
  AlignedBytes now_, noticed_, durable_;
  std::map<std::uint64_t, Stores> pending_;  // by unit, in order
  std::uint64_t calls_ = 0;
};

class SimMedia {
 public:
  SimMedia(PmemKind kind, std::uint64_t pool_size, std::uint64_t log_size);

  PmemKind kind() const { return kind_; }
  SimRegion& region(PmemRegion which) { return which == PmemRegion::pool ? pool_ : log_; }
  const SimRegion& region(PmemRegion which) const {
    return which == PmemRegion::pool ? pool_ : log_;
  }
  // Nobody has it open: end the process first.
  void lose_power(Keep keep, std::uint64_t seed);

  // [P10] A sparse pool: only the first `secured` bytes have space, and no more than `limit` can
  // get it. To write more is what would end a real process (a failed check).
  void make_sparse(std::uint64_t secured, std::uint64_t limit);
  std::uint64_t secured() const { return secured_; }
  Outcome secure(std::uint64_t length);

 private:
  friend class SimLock;
  // Not of a copy.
  struct Locked {
    bool by_somebody = false;
    Locked() = default;
    Locked(const Locked&) {}
    Locked& operator=(const Locked&) { return *this; }
  };

  PmemKind kind_;
  SimRegion pool_, log_;
  std::uint64_t secured_, limit_;
  Locked locked_;
};

// Held by a process as long as it has the media open.
class SimLock {
 public:
  explicit SimLock(SimMedia& media) : media_(media) { media_.locked_.by_somebody = true; }
  ~SimLock() { media_.locked_.by_somebody = false; }
  SimLock(const SimLock&) = delete;
  SimLock& operator=(const SimLock&) = delete;
  static bool taken(const SimMedia& media) { return media.locked_.by_somebody; }

 private:
  SimMedia& media_;
};

}  // namespace dspm::sim
