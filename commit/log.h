// The circular log of a pool: fragments one behind the other, positions that never wrap.
#pragma once

#include <deque>

#include "commit/format.h"
#include "commit/record.h"
#include "utils/pmem/pmem.h"

namespace dspm::commit {

// Where a log ends: what comes next continues it.
struct LogEnd {
  std::uint64_t position = 0;
  std::uint32_t previous_crc = 0;
};

// What `payload` bytes take in the log, in fragments of at most `fragment` bytes.
std::uint64_t physical_length(std::uint64_t payload, std::uint64_t fragment);

class Log {
 public:
  struct Shape {
    std::uint64_t ring = 0;  // bytes
    std::uint32_t fragment = format::kFragmentPayload;
    std::uint32_t pool_tag = 0;
  };
  // Everything before `end` is durable.
  Log(Pmem& pmem, const Shape& shape, LogEnd end);

  struct Label {
    format::FragmentKind kind = format::FragmentKind::mark;
    GroupId group;
    Lsn lsn, decided;
  };
  // Room is the caller's care: checked against `keep`, the lowest position still needed.
  void put(const Label& label, ByteSpan payload, std::uint64_t keep);
  void put_anchor(std::uint64_t checkpoint, std::uint64_t head);
  // Begins the fence for what was put since the last one.
  void fence();
  // After Pmem::poll().
  void poll();

  std::uint64_t tail() const { return end_.position; }
  std::uint64_t durable() const { return durable_; }
  // Everything put so far, anchors too, is durable when this many fences are done.
  std::uint64_t fences() const { return fences_; }
  bool settled(std::uint64_t fences) const { return !unfenced_ && fences_done_ >= fences; }
  const Shape& shape() const { return shape_; }

 private:
  void put_fragment(const Label& label, std::uint16_t index, std::uint16_t count, ByteSpan payload);
  void write(std::uint64_t position, ByteSpan bytes);

  Pmem& pmem_;
  const Shape shape_;
  LogEnd end_;
  std::uint64_t durable_;
  bool unfenced_ = false;
  std::uint64_t fences_ = 0, fences_done_ = 0;
  struct Fence {
    std::uint64_t number, position;
  };
  std::deque<Fence> under_way_;
};

}  // namespace dspm::commit
