// Every bound of the system with its reason. A full queue is back-pressure, never growth.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace dspm {

using namespace std::chrono_literals;

inline constexpr std::size_t kPageSize = 4096;

// FUSE: the largest WRITE or READ the mount negotiates (kernel limit: 256 pages).
inline constexpr std::size_t kMaxTransfer = std::size_t{1} << 20;
// Largest object: page numbers stay below the header page's (10-names).
inline constexpr std::uint64_t kMaxObjectSize = std::uint64_t{1} << 62;

// [Z1] Cuts that a header can hold (it must fit a page), and beyond how many the learnt ones go.
inline constexpr std::size_t kMaxCuts = 200, kCutsKept = 16;

// Wire: one frame. A commit of 16,384 scattered pages fits; more goes in several commits.
inline constexpr std::size_t kMaxFrame = std::size_t{256} << 20;
// One commit: what fits into a frame with its page list. A larger one is ENOSPC as a whole.
inline constexpr std::size_t kMaxCommitBytes = std::size_t{224} << 20;
inline constexpr std::size_t kExtentOverhead = 12;  // bytes on the wire beside an extent's own
// Pages that one message names without their bytes: 16 GiB. More go in several [F8].
inline constexpr std::uint64_t kMaxPagesNamed = std::uint64_t{1} << 22;
// Records that one Append or Pulled carries, about: a member takes them in as they come.
inline constexpr std::size_t kMaxAppendBytes = std::size_t{4} << 20;
// Bytes queued towards one peer before its connection counts as stuck and is cut (the machines
// send again on reconnect).
inline constexpr std::size_t kMaxPeerQueue = std::size_t{512} << 20;
inline constexpr auto kHeartbeatInterval = 250ms;  // 3-protocol §3, Heartbeat
inline constexpr auto kSilence = 1s;               // M4
// [C3] How long a backup may not know what is decided, where no Append says it.
inline constexpr auto kTellDecided = 1ms;
// [P10] Room also comes back without a checkpoint (pages that were pinned): looked for so often.
inline constexpr auto kRetryRoom = 10ms;
// Longest that a program waits for a node that does not answer (3-protocol C8, L9).
inline constexpr auto kAnswerTimeout = 30s;

// 2-kernel rule 8: a write() may be held for this long while its page is dropped again.
inline constexpr auto kWriteHold = 20ms;
// How long a kernel may take to cut its pages after it has applied a SETATTR(size) answer.
inline constexpr auto kCuttingTime = 20ms;
// Contract, "What commits": bytes of write() older or more than this commit by themselves.
inline constexpr auto kEarlyCommitAge = 5s;
inline constexpr std::size_t kEarlyCommitBytes = std::size_t{32} << 20;
// 2-kernel rule 7: how long a twin outlives the last writable handle.
inline constexpr auto kTwinRetention = 10s;
// How long a kernel may take to make an inode of the answer that names it; how long a size is kept
// back that came too early for it [Z8].
inline constexpr auto kInodeTime = 1s;
inline constexpr auto kPushRetry = 1ms;
// [F4] Twins over this go: their pages are dropped first. A node's own setting may be another.
inline constexpr std::size_t kMaxTwinBytes = std::size_t{1} << 30;
// How long after such a drop a WRITE sent before it may still come (kernels before 6.16).
inline constexpr auto kTwinLinger = 100ms;
// 2-kernel rule 2: memory for what is staged on a node. From half of it on write() is slowed down
// (kWriteHold each); when it is full write() is ENOSPC and a mapped WRITE poisons its object.
inline constexpr std::size_t kMaxStagedBytes = std::size_t{1} << 30;

// Namespace
inline constexpr std::size_t kMaxName = 255;      // NAME_MAX
inline constexpr std::uint64_t kInoBatch = 4096;  // 10-names, inode numbers

}  // namespace dspm
