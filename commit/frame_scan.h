// Reading the frames of a pool after a crash: which exist at its checkpoint, which of their bytes
// may be believed.
#pragma once

#include <map>

#include "commit/frame_table.h"
#include "commit/log_scan.h"

namespace dspm::commit {

struct FrameScan {
  FrameTable::Found found;
  std::uint64_t units_torn = 0;        // fail their CRC; the log says all of their bytes again
  std::uint64_t units_unverified = 0;  // fail it; the log has only a part of them
};

// [13-media, recovery 8] Errors: corrupt (a frame header is lost or has come back; bytes that
// nothing in the log explains), io_error.
Result<FrameScan> scan_frames(Pmem& pmem, std::uint32_t pool_tag, std::uint64_t frames,
                              const Checkpoint& checkpoint,
                              const std::map<GroupId, GroupRecords>& records);

}  // namespace dspm::commit
