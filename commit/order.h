// What a change makes of an object's header and times (3-protocol Z1-Z5): decided once, by the
// primary, when it orders the change; everybody else takes it from the record.
#pragma once

#include "commit/record.h"

namespace dspm::commit {

// [Z2] An object as of the last ordered record.
struct Ordered {
  Header header;
  Times times;
  std::size_t undecided = 0;  // records of it that are ordered and not yet published
  Lsn last;                   // the newest of them
};

// [Z3] Frozen under the present generation [1.3]. A new size need not rest on the present size:
// that all groups between the two take part [1.4] matters only where there are several.
bool acceptable(const Change& change, const Ordered& ordered);

// Applies `change` at `lsn` to `ordered` and returns the record's part of it: extents (moved out of
// `change`), cut, header, times. `learnt`: the highest generation that every sharer of the header
// is known to have learnt; its cuts and older ones may be forgotten.
Record order(Change&& change, Lsn lsn, Generation learnt, Ordered& ordered);

}  // namespace dspm::commit
