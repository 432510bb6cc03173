// What the holder keeps of one page of one object (3-protocol, "The holder, per page").
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "dsm/merge.h"
#include "utils/base/page.h"

namespace dspm::dsm {

inline constexpr std::uint64_t kNoCut = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint64_t kNoCount = std::numeric_limits<std::uint64_t>::max();

struct PageState {
  // A byte of a write() that the kernel's page may lack [F6].
  struct Second {
    ByteMask mask;
    PageBytes bytes;
  };

  std::uint32_t reads = 0;     // READs of it in flight
  bool copy = false;           // the kernel may have one
  Version version;             // of the copy; 0 = unknown (no READ gave it) [F7]
  bool whole = false;          // a whole-page write() happened since the running notify began [F7]
  bool stored_at_end = false;  // written back while the object ended in it: it may hold more
  bool poisoned = false;       // its WRITEs go until the next READ answer [F11]

  bool bar = false;  // an invalidation is under way [F8]
  Ticket ticket;     // of the notify that the bar waits for
  Version owed;      // answer this when the bar ends; 0 = nobody waits

  Version floor;         // lowest version it may still give the kernel
  OwnPage twin;          // bytes last exchanged with the kernel [F4] [F5]
  bool leaving = false;  // the twin goes when its page has gone: over budget [F4]
  std::unique_ptr<Second> second;
  std::uint64_t cut = kNoCut;       // WRITEs at or beyond go [Z6]; object offset
  std::unique_ptr<ByteMask> uncut;  // but for these bytes, that write() put since

  // [F6] The kernel may still be zeroing the page from here on, for a smaller size it was told:
  // until this notify, which began after the kernel knew its size, has returned.
  std::size_t zeroed = kPageSize;
  Ticket zeroed_drop;  // 0 = not begun

  // [2-kernel rule 8]
  std::uint32_t notifies = 0;                // running ones that cover it
  std::uint64_t count_at_notify = kNoCount;  // answered write()s at the end of its last notify
  std::uint64_t count_at_read = kNoCount;    // and at its last READ answer
};

}  // namespace dspm::dsm
