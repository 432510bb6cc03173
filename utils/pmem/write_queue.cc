#include "utils/pmem/write_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dspm {
namespace {

// An append that continues the last piece joins it up to here: few pieces for many small appends,
// and no large one copied again because it grew.
constexpr std::size_t kJoined = 64 * 1024;

}  // namespace

void lay_over(const WritePiece& piece, std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t from = std::max(offset, piece.offset);
  const std::uint64_t to = std::min(offset + out.size(), piece.end());
  if (from >= to) return;
  std::memcpy(out.data() + (from - offset), piece.bytes.data() + (from - piece.offset), to - from);
}

WriteQueue::Pieces::const_iterator WriteQueue::first_beyond(std::uint64_t offset) const {
  auto it = pieces_.upper_bound(offset);
  if (it != pieces_.begin()) {
    const auto before = std::prev(it);
    if (before->first + before->second.size() > offset) it = before;
  }
  return it;
}

void WriteQueue::cut_out(std::uint64_t offset, std::uint64_t end) {
  for (auto it = first_beyond(offset); it != pieces_.end() && it->first < end;) {
    const std::uint64_t start = it->first;
    Bytes old = std::move(pieces_.extract(it++).mapped());
    const std::uint64_t old_end = start + old.size();
    bytes_ -= old.size();
    if (old_end > end) {
      it = pieces_.emplace(end, Bytes(old.end() - std::ptrdiff_t(old_end - end), old.end())).first;
      bytes_ += old_end - end;
    }
    if (start < offset) {
      old.resize(offset - start);
      bytes_ += old.size();
      pieces_.emplace(start, std::move(old));
    }
  }
}

void WriteQueue::put(std::uint64_t offset, ByteSpan bytes) {
  if (bytes.empty()) return;
  const std::uint64_t end = offset + bytes.size();
  auto it = pieces_.upper_bound(offset);
  if (it != pieces_.begin()) {
    const auto before = std::prev(it);
    const std::uint64_t before_end = before->first + before->second.size();
    if (before_end >= end) {
      std::memcpy(before->second.data() + (offset - before->first), bytes.data(), bytes.size());
      return;
    }
    const bool next_is_beyond = it == pieces_.end() || it->first >= end;
    if (before_end == offset && next_is_beyond && before->second.size() + bytes.size() <= kJoined) {
      before->second.insert(before->second.end(), bytes.begin(), bytes.end());
      bytes_ += bytes.size();
      return;
    }
  }
  cut_out(offset, end);
  pieces_.emplace(offset, Bytes(bytes.begin(), bytes.end()));
  bytes_ += bytes.size();
}

std::vector<WritePiece> WriteQueue::take(std::size_t pieces, std::uint64_t bytes) {
  std::vector<WritePiece> out;
  std::uint64_t taken = 0;
  while (!pieces_.empty() && out.size() < pieces && taken < bytes) {
    if (!out.empty() && out.back().end() != pieces_.begin()->first) break;
    auto node = pieces_.extract(pieces_.begin());
    taken += node.mapped().size();
    out.push_back({node.key(), std::move(node.mapped())});
  }
  bytes_ -= taken;
  return out;
}

void WriteQueue::collect(std::uint64_t offset, std::uint64_t length,
                         std::vector<WritePiece>& out) const {
  const std::uint64_t end = offset + length;
  for (auto it = first_beyond(offset); it != pieces_.end() && it->first < end; ++it) {
    const std::uint64_t from = std::max(offset, it->first);
    const std::uint64_t to = std::min(end, it->first + it->second.size());
    const auto* start = it->second.data() + (from - it->first);
    out.push_back({from, Bytes(start, start + (to - from))});
  }
}

}  // namespace dspm
