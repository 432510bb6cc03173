#include "commit/order.h"

#include <algorithm>

#include "utils/base/limits.h"
#include "utils/base/planted.h"

namespace dspm::commit {
namespace {

// [Z1] Who has learnt a cut needs it no more; few are kept, so that a header always fits its frame.
void forget_cuts(std::vector<Cut>& cuts, Generation learnt) {
  if (cuts.size() > kCutsKept)
    std::erase_if(cuts, [&](const Cut& cut) { return cut.generation <= learnt; });
  while (cuts.size() >= kMaxCuts) {  // the two oldest become one that loses rather too much
    cuts[1].size = std::min(cuts[0].size, cuts[1].size);
    cuts.erase(cuts.begin());
  }
}

void resize(std::uint64_t size, Lsn lsn, Generation learnt, Header& header, Record& record) {
  if (size == header.size) return;
  if (size < header.size) {
    record.cut = size;
    header.generation = Generation(header.generation.value + 1);
    std::erase_if(header.cuts, [&](const Cut& cut) { return cut.size >= size; });
    forget_cuts(header.cuts, learnt);
    header.cuts.push_back({header.generation, size});
  }
  header.size = size;
  header.version = lsn;
}

void touch(const Change& change, Times& times) {
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

}  // namespace

bool acceptable(const Change& change, const Ordered& ordered) {
  if (planted(Planted::generation_not_checked)) return true;
  return ordered.header.generation <= change.generation;
}

Record order(Change&& change, Lsn lsn, Generation learnt, Ordered& ordered) {
  Record record;
  record.lsn = lsn;
  record.ino = change.ino;
  touch(change, ordered.times);
  record.extents = std::move(change.extents);
  Header& header = ordered.header;
  if (change.grow_to > header.size) {  // [Z4]
    header.size = change.grow_to;
    header.version = lsn;
  }
  if (change.set_size) resize(*change.set_size, lsn, learnt, header, record);
  // A group adopts the generation of each commit that it applies [1.9].
  header.generation = std::max(header.generation, change.generation);
  record.header = header;
  record.times = ordered.times;
  return record;
}

}  // namespace dspm::commit
