#include "commit/frames.h"

#include <algorithm>
#include <cstring>

namespace dspm::commit {

PublishedPage Frames::page(Ino ino, PageNo page) const {
  const auto object = objects_.find(ino);
  if (object == objects_.end()) return {Version(), zero_page()};
  const auto frame = object->second.frames.find(page);
  if (frame == object->second.frames.end()) return {object->second.cleared, zero_page()};
  return {frame->second.version, frame->second.bytes};
}

Header Frames::header(Ino ino) const {
  const auto object = objects_.find(ino);
  return object == objects_.end() ? Header() : object->second.header;
}

Times Frames::times(Ino ino) const {
  const auto object = objects_.find(ino);
  return object == objects_.end() ? Times() : object->second.times;
}

void Frames::write_extent(Object& object, const Extent& extent, Version version, Folded& out) {
  for (std::uint64_t at = extent.offset; at < extent.end();) {
    const PageNo number = page_of(at);
    const std::size_t in_page = at % kPageSize;
    const std::size_t n = std::min<std::uint64_t>(kPageSize - in_page, extent.end() - at);
    const auto [it, fresh] = object.frames.try_emplace(number, Frame{object.cleared, nullptr});
    Frame& frame = it->second;
    if (fresh) {
      frame.bytes = new_zero_page();
    } else {
      make_writable(frame.bytes);
    }
    std::memcpy(frame.bytes->data.data() + in_page, extent.bytes.data() + (at - extent.offset), n);
    if (out.pages.empty() || out.pages.back().page != number) {
      out.pages.push_back({number, frame.version, n == kPageSize});
      frame.version = version;
    }
    at += n;
  }
}

void Frames::resize(Object& object, std::uint64_t size, Version version, Folded& out) {
  Header& header = object.header;
  if (size == header.size) return;
  out.header_changed = true;
  if (size < header.size) {
    out.cut_from = size;
    header.generation = Generation(header.generation.value + 1);
    std::erase_if(header.cuts, [&](const Cut& cut) { return cut.size >= size; });
    header.cuts.push_back({header.generation, size});
    object.cleared = version;
    auto it = object.frames.lower_bound(page_of(size));
    if (it != object.frames.end() && it->first == page_of(size) && size % kPageSize != 0) {
      Frame& frame = it->second;  // the page the cut goes through keeps its beginning
      make_writable(frame.bytes);
      std::memset(frame.bytes->data.data() + size % kPageSize, 0, kPageSize - size % kPageSize);
      if (frame.version != version) out.pages.push_back({it->first, frame.version, false});
      frame.version = version;
      ++it;
    }
    object.frames.erase(it, object.frames.end());
  }
  header.size = size;
  header.version = version;
}

void Frames::touch(Object& object, const Change& change) {
  Times& times = object.times;
  if (change.times) {  // explicit times win (10-names)
    if (change.times->mtime) times.mtime = change.times->mtime;
    if (change.times->atime) times.atime = change.times->atime;
    times.ctime = std::max(times.ctime.value_or(WallTime()), change.times->ctime);
    return;
  }
  if (change.touch) {  // [Z5] never back
    const WallTime old = times.mtime.value_or(WallTime());
    times.mtime = std::max(*change.touch, WallTime{old.ns + 1});
    times.ctime = std::max(times.ctime.value_or(WallTime()), *times.mtime);
  }
  if (!change.extents.empty() || change.set_size) ++times.data_version;
}

Folded Frames::fold(const Change& change, Version version) {
  Object& object = objects_[change.ino];
  Folded out;
  for (const Extent& extent : change.extents) write_extent(object, extent, version, out);
  if (change.grow_to > object.header.size) {  // [Z4]
    object.header.size = change.grow_to;
    object.header.version = version;
    out.header_changed = true;
  }
  if (change.set_size) resize(object, *change.set_size, version, out);
  // A group adopts the generation of each commit that it applies [1.9].
  object.header.generation = std::max(object.header.generation, change.generation);
  touch(object, change);
  object.times.blocks = object.frames.size();
  return out;
}

}  // namespace dspm::commit
