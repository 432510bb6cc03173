#include "commit/frames.h"

#include <algorithm>

#include "commit/format.h"
#include "commit/frame_table.h"
#include "commit/pool.h"
#include "utils/base/object_codec.h"

namespace dspm::commit {
namespace {

ByteSpan zeros(std::size_t n) { return ByteSpan(zero_page()->data).first(n); }

}  // namespace

Frames::Frames() : store_(make_heap_frames()) {}

Frames::Frames(Pool& pool, GroupId group) : store_(pool.frames().store(group)) {
  for (const FrameStore::Existing& e : store_->existing()) {
    Object& object = objects_[e.ino];
    if (e.page == format::kObjectPage) {
      read_own(object, e.frame);
    } else {
      object.frames[e.page] = {e.version, e.frame};
    }
  }
  for (auto& [ino, object] : objects_) object.times.blocks = object.frames.size();
}

PublishedPage Frames::page(Ino ino, PageNo page) const {
  const auto object = objects_.find(ino);
  if (object == objects_.end()) return {Version(), zero_page()};
  const auto frame = object->second.frames.find(page);
  if (frame == object->second.frames.end()) return {object->second.cleared, zero_page()};
  return {frame->second.version, store_->page(frame->second.frame)};
}

Header Frames::header(Ino ino) const {
  const auto object = objects_.find(ino);
  return object == objects_.end() ? Header() : object->second.header;
}

Times Frames::times(Ino ino) const {
  const auto object = objects_.find(ino);
  return object == objects_.end() ? Times() : object->second.times;
}

FrameNeed Frames::need(Ino ino, std::span<const Extent> extents) const {
  const auto object = objects_.find(ino);
  const bool known = object != objects_.end();
  FrameNeed need{2, known ? 0u : 1u};  // its own, and one through which a cut may go
  std::optional<PageNo> last;
  for (const Extent& extent : extents) {
    for (PageNo p = page_of(extent.offset); p <= page_of(extent.end() - 1); ++p.value) {
      if (last == p) continue;
      last = p;
      ++need.pages;
      if (!known || !object->second.frames.contains(p)) ++need.fresh;
    }
  }
  return need;
}

// `covered`: the pieces are the whole page.
void Frames::write_page(Ino ino, Object& object, PageNo page, std::span<const Piece> pieces,
                        bool covered, Version version, Folded& out) {
  const auto [it, fresh] = object.frames.try_emplace(page, Frame{object.cleared, 0});
  Frame& frame = it->second;
  out.pages.push_back({page, frame.version, covered});
  frame.frame = fresh ? store_->create(ino, page, version, pieces)
                      : store_->edit(frame.frame, version, pieces);
  frame.version = version;
}

void Frames::write_extents(Object& object, const Record& record, Folded& out) {
  std::vector<Piece> pieces;
  std::optional<PageNo> page;
  std::size_t bytes = 0;
  const auto finish = [&] {
    if (page) write_page(record.ino, object, *page, pieces, bytes == kPageSize, record.lsn, out);
    pieces.clear();
    bytes = 0;
  };
  for (const Extent& extent : record.extents) {
    for (std::uint64_t at = extent.offset; at < extent.end();) {
      const std::size_t in_page = at % kPageSize;
      const std::size_t n = std::min<std::uint64_t>(kPageSize - in_page, extent.end() - at);
      if (page != page_of(at)) finish();
      page = page_of(at);
      pieces.push_back({in_page, ByteSpan(extent.bytes).subspan(at - extent.offset, n)});
      bytes += n;
      at += n;
    }
  }
  finish();
}

void Frames::cut(Object& object, const Record& record, Folded& out) {
  const std::uint64_t size = *record.cut;
  object.cleared = record.lsn;
  auto it = object.frames.lower_bound(page_of(size));
  const std::size_t keep = size % kPageSize;
  if (it != object.frames.end() && it->first == page_of(size) && keep != 0) {
    Frame& frame = it->second;  // the page the cut goes through keeps its beginning
    const Piece rest{keep, zeros(kPageSize - keep)};
    if (frame.version != record.lsn) out.pages.push_back({it->first, frame.version, false});
    frame.frame = store_->edit(frame.frame, record.lsn, {&rest, 1});
    frame.version = record.lsn;
    ++it;
  }
  for (auto gone = it; gone != object.frames.end(); ++gone) store_->let_go(gone->second.frame);
  object.frames.erase(it, object.frames.end());
}

void Frames::write_own(Object& object, const Record& record) {
  Writer w;
  put(w, object.header);
  put(w, object.times);
  const std::size_t length = w.size();
  w.raw(zeros(object.own_length > length ? object.own_length - length : 0));
  Writer cleared;
  cleared.put(object.cleared);
  std::vector<Piece> pieces{{format::kUnit, w.bytes()}};
  if (record.cut || !object.own) pieces.insert(pieces.begin(), {0, cleared.bytes()});
  if (object.own) {
    object.own = store_->edit(*object.own, record.lsn, pieces);
  } else {
    object.own = store_->create(record.ino, format::kObjectPage, record.lsn, pieces);
  }
  object.own_length = length;
}

// Where a crash has torn it, a record of the log says all of it again.
void Frames::read_own(Object& object, FrameNo frame) {
  const PageRef bytes = store_->raw(frame);
  object.own = frame;
  Reader cleared(bytes->data);
  cleared.get(object.cleared);
  Reader r(ByteSpan(bytes->data).subspan(format::kUnit));
  get(r, object.header);
  get(r, object.times);
  object.own_length = r.ok() ? kPageSize - format::kUnit - r.left() : kPageSize - format::kUnit;
  if (!r.ok()) object.header = {};
  if (!r.ok()) object.times = {};
}

Folded Frames::fold(const Record& record) {
  if (record.kind != RecordKind::write) return {};
  Object& object = objects_[record.ino];
  Folded out;
  write_extents(object, record, out);
  if (record.cut) cut(object, record, out);
  object.header = record.header;
  object.times = record.times;
  object.times.blocks = object.frames.size();
  write_own(object, record);
  store_->folded(record.lsn);
  return out;
}

std::vector<Frames::ObjectState> Frames::all() const {
  std::vector<ObjectState> out;
  for (const auto& [ino, object] : objects_) {
    ObjectState state{ino, object.header, object.cleared, {}};
    for (const auto& [page, frame] : object.frames)
      state.pages.push_back({page, frame.version, frame.frame});
    out.push_back(std::move(state));
  }
  return out;
}

}  // namespace dspm::commit
