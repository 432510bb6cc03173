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

void Frames::cut(Object& object, std::uint64_t size, Version version, Folded& out) {
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

Folded Frames::fold(const Record& record) {
  Object& object = objects_[record.ino];
  Folded out;
  for (const Extent& extent : record.extents) write_extent(object, extent, record.lsn, out);
  if (record.cut) cut(object, *record.cut, record.lsn, out);
  object.header = record.header;
  object.times = record.times;
  object.times.blocks = object.frames.size();
  return out;
}

}  // namespace dspm::commit
