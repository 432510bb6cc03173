// Values of the stores from anybody: decoded within their limits or refused, and written back as
// they were. The first byte says as what the rest is read.
#include <cstdint>
#include <string>

#include "namespace/cluster/membership.h"
#include "namespace/tree/inode.h"
#include "utils/base/check.h"

namespace {

using namespace dspm;
using namespace dspm::names;

void try_inode(const Value& value) {
  const auto inode = decode_inode(value, Ino(7), 3);
  if (!inode) return;
  DSPM_CHECK(encode(*inode) == value);
  if (inode->is_file()) DSPM_CHECK(inode->home() && group_of(inode->layout, Ino(7), ~0ull));
  for (const Delta& delta : {Delta{1, 1, {}}, Delta{-1, -1, inode->mtime}}) {
    const auto changed = apply_delta(value, delta);
    if (!changed) continue;
    const auto again = decode_inode(*changed, Ino(7), 4);
    DSPM_CHECK(again && again->mtime >= inode->mtime && again->ctime >= inode->ctime);
  }
}

void try_entry(const Value& value) {
  if (const auto entry = decode_entry(value)) DSPM_CHECK(encode(*entry) == value);
  if (const auto next = decode_counter(value)) DSPM_CHECK(encode_counter(*next) == value);
}

template <class Record>
void try_record(const Result<Record>& record, Result<Record> (*decode)(const std::string&)) {
  if (record) DSPM_CHECK(*decode(encode(*record)) == *record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Value value(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 5) {
    case 0:
      try_inode(value);
      break;
    case 1:
      try_entry(value);
      break;
    case 2:
      try_record(decode_cluster(value), &decode_cluster);
      break;
    case 3:
      try_record(decode_member(value), &decode_member);
      break;
    case 4:
      try_record(decode_group(value), &decode_group);
      break;
  }
  return 0;
}
