#include "commit/record.h"

#include "utils/base/limits.h"
#include "utils/base/object_codec.h"

namespace dspm::commit {

std::size_t record_bytes(const Record& record) {
  constexpr std::size_t kFixed = 256;  // everything of a fixed size, and the fragment's header
  std::size_t bytes = kFixed + record.header.cuts.size() * sizeof(Cut);
  for (const Extent& extent : record.extents) bytes += extent.bytes.size() + kExtentOverhead;
  return bytes;
}

Bytes encode(const Record& record) {
  Writer w;
  w.put(std::uint8_t(record.kind));
  w.put(record.lsn);
  w.put(record.previous);
  if (record.kind == RecordKind::view) return w.take();
  put(w, record.id);
  w.put(record.attempt);
  w.put(record.done_below);
  w.put(record.ino);
  put(w, record.extents);
  w.put(std::uint8_t(record.cut.has_value()));
  w.put(record.cut.value_or(0));
  put(w, record.header);
  put(w, record.times);
  return w.take();
}

Result<Record> decode_record(ByteSpan bytes) {
  Reader r(bytes);
  Record record;
  const auto kind = r.get<std::uint8_t>();
  if (kind != std::uint8_t(RecordKind::view) && kind != std::uint8_t(RecordKind::write)) r.fail();
  record.kind = RecordKind(kind);
  r.get(record.lsn);
  r.get(record.previous);
  if (record.lsn.sequence() != record.previous.sequence() + 1 || record.lsn < record.previous ||
      !record.lsn.epoch()) {
    r.fail();
  }
  if (record.kind == RecordKind::write) {
    get(r, record.id);
    r.get(record.attempt);
    r.get(record.done_below);
    r.get(record.ino);
    get(r, record.extents);
    const auto has_cut = r.get<std::uint8_t>();
    const auto cut = r.get<std::uint64_t>();
    if (has_cut > 1 || cut > kMaxObjectSize) r.fail();
    if (has_cut) record.cut = cut;
    get(r, record.header);
    get(r, record.times);
  }
  if (!r.finished()) return Error{Status::corrupt, "not a log record"};
  return record;
}

}  // namespace dspm::commit
