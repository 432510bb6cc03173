// One record of a group's log: what it says and its bytes. A record is physical: it holds the
// object's header and times as they are after it, so that replaying it twice changes nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "utils/base/object.h"
#include "utils/base/result.h"

namespace dspm::commit {

// [P8] On media and on the wire; prepare, outcome, refuse and free have their places kept free.
enum class RecordKind : std::uint8_t { view = 1, write = 2 };

struct Record {
  RecordKind kind = RecordKind::write;
  Lsn lsn;
  Lsn previous;  // of the record before in the group's order; 0 = this is its first [C2]
  // Of a write; a View says no more than its place.
  CommitId id;
  std::uint32_t attempt = 0;
  std::uint64_t done_below = 0;  // [C7]
  Ino ino;
  std::vector<Extent> extents;       // ascending, not overlapping
  std::optional<std::uint64_t> cut;  // after the extents, all bytes from here on are cleared [D2]
  Header header;                     // header.version == lsn: this record moved it
  Times times;                       // all but `blocks`, which each member counts for itself
};
// Held by the log, by sends under way and by whoever folds it; never changed.
using RecordRef = std::shared_ptr<const Record>;

// About what its bytes take in a log or a message.
std::size_t record_bytes(const Record& record);

Bytes encode(const Record& record);
// Trusts nothing: Status::corrupt for anything that no encode() made within the limits.
Result<Record> decode_record(ByteSpan bytes);

}  // namespace dspm::commit
