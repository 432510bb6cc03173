// Reading a log after a crash: where it ends, whether it ends there for a good reason, which
// records it holds. Trusts nothing.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "commit/checkpoint.h"
#include "commit/log.h"

namespace dspm::commit {

struct FoundFragment {
  format::Fragment header;
  Bytes payload;
};

struct LogScan {
  LogEnd end;
  std::uint64_t durable = 0;             // everything before it was once known to be durable
  bool torn = false;                     // something that never became durable lies at the end
  std::vector<FoundFragment> fragments;  // in order of their positions
};

// From `head`, where a fragment must lie, to the first that is not valid [13-media, recovery 4, 5].
// Errors: corrupt (none at head; rot: a later fragment calls the place of a bad one durable),
// io_error.
Result<LogScan> scan_log(Pmem& pmem, const Log::Shape& shape, std::uint64_t head);

// The newest complete checkpoint record. Errors: corrupt (none; one that does not decode).
Result<Checkpoint> newest_checkpoint(const LogScan& scan);

struct GroupRecords {
  std::vector<RecordRef> records;  // above `applied`, contiguous
  Lsn decided;                     // not above the last of them
};
// Per group: for each place in its order the highest LSN that is complete, in ascending order, up
// to a gap or a falling epoch [13-media, recovery 7]. Errors: corrupt (a complete record does not
// decode; one that is known to have been applied is lost).
Result<std::map<GroupId, GroupRecords>> assemble(const LogScan& scan, const Checkpoint& checkpoint);

}  // namespace dspm::commit
