#include "dsm/stage.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dspm::dsm {

void Stage::write(std::uint64_t offset, ByteSpan bytes, WallTime stamp, Time now) {
  const std::uint64_t end = offset + bytes.size();
  for (std::uint64_t at = offset; at < end;) {
    const std::size_t in_page = at % kPageSize;
    const std::size_t n = std::min<std::uint64_t>(kPageSize - in_page, end - at);
    StagedPage& page = pages_[page_of(at)];
    set_range(page.mask, in_page, n);
    set_range(page.written, in_page, n);
    std::memcpy(page.bytes.data.data() + in_page, bytes.data() + (at - offset), n);
    at += n;
  }
  write_end_ = std::max(write_end_, end);
  written_bytes_ += bytes.size();
  touch_ = std::max(touch_.value_or(stamp), stamp);
  if (!oldest_write_) oldest_write_ = now;
}

void Stage::store(PageNo page, const ByteMask& mask, std::size_t at, ByteSpan bytes,
                  WallTime stamp) {
  if (mask.none()) return;
  StagedPage& staged = pages_[page];
  for_each_run(mask, [&](std::size_t first, std::size_t count) {
    std::memcpy(staged.bytes.data.data() + first, bytes.data() + (first - at), count);
  });
  staged.mask |= mask;
  staged.written &= ~mask;
  touch_ = std::max(touch_.value_or(stamp), stamp);
}

bool Stage::overlay(PageNo page, PageBytes& into) const {
  const auto it = pages_.find(page);
  if (it == pages_.end()) return false;
  apply(into, it->second.mask, it->second.bytes);
  return true;
}

void Stage::cut(std::uint64_t from, bool mapped_only) {
  for (auto it = pages_.lower_bound(page_of(from)); it != pages_.end();) {
    ByteMask keep = it->second.mask;
    clear_from(keep, from > offset_of(it->first) ? from - offset_of(it->first) : 0);
    if (mapped_only) keep |= it->second.written;
    it->second.mask &= keep;
    it->second.written &= keep;
    it = it->second.mask.none() ? pages_.erase(it) : std::next(it);
  }
  if (!mapped_only && write_end_ > from) write_end_ = 0;
  if (empty()) *this = Stage();
}

Stage Stage::take_written(std::uint64_t most) {
  Stage out;
  std::uint64_t taken = 0;
  bool all = true;
  for (auto it = pages_.begin(); it != pages_.end();) {
    StagedPage& page = it->second;
    if (page.written.any()) {
      if (taken >= most) {
        all = false;
        break;
      }
      taken += page.written.count();
      StagedPage& moved = out.pages_[it->first];
      moved.bytes = page.bytes;
      moved.mask = moved.written = page.written;
      page.mask &= ~page.written;
      page.written.reset();
    }
    it = page.mask.none() ? pages_.erase(it) : std::next(it);
  }
  out.touch_ = touch_;
  out.oldest_write_ = oldest_write_;
  if (all) {
    out.write_end_ = std::exchange(write_end_, 0);
    out.written_bytes_ = std::exchange(written_bytes_, 0);
    oldest_write_.reset();
    return out;
  }
  const std::uint64_t end = offset_of(out.pages_.rbegin()->first) + kPageSize;
  out.write_end_ = std::min(write_end_, end);
  if (end >= write_end_) write_end_ = 0;
  out.written_bytes_ = taken;
  written_bytes_ -= std::min(written_bytes_, taken);
  return out;
}

void Stage::put_back(Stage&& older) {
  for (auto& [number, page] : older.pages_) {
    const auto [it, fresh] = pages_.try_emplace(number, page);
    if (fresh) continue;
    const ByteMask missing = page.mask & ~it->second.mask;
    apply(it->second.bytes, missing, page.bytes);
    it->second.mask |= missing;
    it->second.written |= missing & page.written;
  }
  write_end_ = std::max(write_end_, older.write_end_);
  written_bytes_ += older.written_bytes_;
  if (older.touch_) touch_ = std::max(touch_.value_or(*older.touch_), *older.touch_);
  if (older.oldest_write_) oldest_write_ = older.oldest_write_;
}

std::vector<Extent> Stage::extents() const {
  std::vector<Extent> out;
  for (const auto& entry : pages_) {
    const PageNo number = entry.first;
    const StagedPage& page = entry.second;
    for_each_run(page.mask, [&](std::size_t first, std::size_t count) {
      const std::uint64_t offset = offset_of(number) + first;
      const std::byte* from = page.bytes.data.data() + first;
      if (out.empty() || out.back().end() != offset) out.push_back({offset, {}});
      out.back().bytes.insert(out.back().bytes.end(), from, from + count);
    });
  }
  return out;
}

std::vector<PageNo> Stage::page_list() const {
  std::vector<PageNo> out;
  for (const auto& [number, page] : pages_) out.push_back(number);
  return out;
}

std::uint64_t Stage::byte_count() const {
  std::uint64_t n = 0;
  for (const auto& [number, page] : pages_) n += page.mask.count();
  return n;
}

}  // namespace dspm::dsm
