#include "commit/frame_scan.h"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <set>
#include <sstream>
#include <tuple>

#include "commit/fragment.h"
#include "utils/base/planted.h"

namespace dspm::commit {
namespace {

using format::FrameHeader;
using format::kUnit;
using format::kUnits;
using PageKey = std::tuple<GroupId, Ino, PageNo>;
using ObjectKey = std::pair<GroupId, Ino>;
using Covered = std::bitset<kPageSize>;

// Which bytes of which pages the records of the log say again.
class Touched {
 public:
  explicit Touched(const std::map<GroupId, GroupRecords>& groups) {
    for (const auto& [group, records] : groups) {
      for (const RecordRef& record : records.records) {
        if (record->kind != RecordKind::write) continue;
        objects_[{group, record->ino}].push_back(record.get());
        for (const Extent& extent : record->extents)
          for (PageNo p = page_of(extent.offset); p <= page_of(extent.end() - 1); ++p.value)
            pages_[{group, record->ino, p}].push_back(&extent);
      }
    }
  }

  Covered of(const FrameHeader& h) const {
    Covered covered;
    const GroupId group(h.group);
    const Ino ino(h.ino);
    const PageNo page(h.page);
    const std::uint64_t start = offset_of(page);
    if (const auto object = objects_.find({group, ino}); object != objects_.end()) {
      for (const Record* record : object->second) {
        if (page == format::kObjectPage) {
          add(covered, record->cut ? 0 : kUnit, kPageSize);
        } else if (record->cut && *record->cut < start + kPageSize) {
          add(covered, std::max(*record->cut, start) - start, kPageSize);
        }
      }
    }
    if (const auto at = pages_.find({group, ino, page}); at != pages_.end()) {
      for (const Extent* extent : at->second) {
        add(covered, std::max(extent->offset, start) - start,
            std::min(extent->end(), start + kPageSize) - start);
      }
    }
    return covered;
  }

 private:
  static void add(Covered& covered, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) covered.set(i);
  }
  std::map<ObjectKey, std::vector<const Record*>> objects_;
  std::map<PageKey, std::vector<const Extent*>> pages_;
};

std::size_t count(const Covered& covered, std::size_t unit) {
  std::size_t n = 0;
  for (std::size_t i = unit * kUnit; i < (unit + 1) * kUnit; ++i) n += covered[i];
  return n;
}

class FrameScanner {
 public:
  FrameScanner(Pmem& pmem, std::uint32_t tag, std::uint64_t frames, const Checkpoint& checkpoint,
               const std::map<GroupId, GroupRecords>& records)
      : pmem_(pmem), tag_(tag), frames_(frames), checkpoint_(checkpoint), touched_(records) {}

  Result<FrameScan> run() {
    scan_.found.stamp = scan_.found.checkpoint_stamp = checkpoint_.stamp;
    if (auto read = read_headers(); !read) return read.error();
    if (auto same = compare_with_checkpoint(); !same) return same.error();
    for (auto& frame : scan_.found.frames)
      if (auto checked = check_bytes(frame); !checked) return checked.error();
    return std::move(scan_);
  }

 private:
  Outcome read_headers() {
    constexpr std::uint64_t kAtOnce = 8192;
    std::vector<FrameHeader> headers;
    for (std::uint64_t first = 0; first < frames_; first += kAtOnce) {
      headers.resize(std::min(kAtOnce, frames_ - first));
      const auto bytes = std::as_writable_bytes(std::span(headers));
      if (auto r = pmem_.read(PmemRegion::pool, format::header_offset(first), bytes); !r) return r;
      for (std::size_t i = 0; i < headers.size(); ++i) take(first + i, headers[i]);
    }
    return Done{};
  }

  void take(FrameNo frame, const FrameHeader& h) {
    static constexpr FrameHeader kNever{};
    if (std::memcmp(&h, &kNever, sizeof h) == 0) return;
    scan_.found.untouched = frame + 1;
    if (h.stamp == 0 || h.identity_crc != identity_crc(h, tag_)) return;
    scan_.found.stamp = std::max(scan_.found.stamp, h.stamp);
    if (h.stamp > checkpoint_.stamp && !planted(Planted::late_frames_kept)) {
      scan_.found.erase.push_back(frame);
      return;
    }
    const bool alive = h.until == (format::kAlive | h.stamp);
    const bool let_go_later = (h.until & format::kAlive) == 0 && h.until > checkpoint_.stamp;
    if (!alive && !let_go_later) return;
    if (let_go_later) scan_.found.stamp = std::max(scan_.found.stamp, h.until);
    scan_.found.frames.push_back({frame, h, 0});
  }

  // [E4] A header that was lost, or has come back, is noticed.
  Outcome compare_with_checkpoint() {
    if (planted(Planted::frame_count_not_checked) || planted(Planted::late_frames_kept))
      return Done{};
    std::uint64_t sum = 0;
    std::set<PageKey> pages;
    for (const auto& [frame, h, torn] : scan_.found.frames) {
      sum += h.identity_crc;
      pages.emplace(h.group, h.ino, h.page);
    }
    const std::uint64_t n = scan_.found.frames.size();
    if (n == checkpoint_.frames && sum == checkpoint_.sum && pages.size() == n) return Done{};
    return Error{Status::corrupt, "frame headers are damaged: " + std::to_string(n) +
                                      " pages are there, the checkpoint says " +
                                      std::to_string(checkpoint_.frames)};
  }

  Outcome check_bytes(FrameTable::FrameOnMedia& frame) {
    if (planted(Planted::unit_crc_not_checked)) return Done{};
    PageBytes page;
    const auto offset = format::frame_offset(frames_, frame.frame);
    if (auto r = pmem_.read(PmemRegion::pool, offset, page.data); !r) return r;
    const bool header_good = frame.header.soft_crc == soft_crc(frame.header);
    unsigned bad = 0;
    for (std::size_t u = 0; u < kUnits; ++u)
      if (unit_crc(page.data, u) != frame.header.unit_crc[u]) bad |= 1u << u;
    if (header_good && bad == 0) return Done{};
    return explain(frame, bad);
  }

  // Torn by a fold that the log will do again, or rot?
  Outcome explain(FrameTable::FrameOnMedia& frame, unsigned bad) {
    const Covered covered = touched_.of(frame.header);
    bool rot = covered.none();
    for (std::size_t u = 0; u < kUnits && !rot; ++u) {
      if ((bad >> u & 1u) == 0) continue;
      if (count(covered, u) == 0) rot = true;
      if (count(covered, u) == kUnit) {
        ++scan_.units_torn;
      } else {
        ++scan_.units_unverified;
      }
      frame.torn = std::uint8_t(frame.torn | 1u << u);
    }
    if (!rot) return Done{};
    std::ostringstream text;
    text << "page " << frame.header.page << " of object " << frame.header.ino << " in group "
         << frame.header.group << " is damaged: its bytes do not match their CRC";
    return Error{Status::corrupt, text.str()};
  }

  Pmem& pmem_;
  const std::uint32_t tag_;
  const std::uint64_t frames_;
  const Checkpoint& checkpoint_;
  const Touched touched_;
  FrameScan scan_;
};

}  // namespace

Result<FrameScan> scan_frames(Pmem& pmem, std::uint32_t pool_tag, std::uint64_t frames,
                              const Checkpoint& checkpoint,
                              const std::map<GroupId, GroupRecords>& records) {
  return FrameScanner(pmem, pool_tag, frames, checkpoint, records).run();
}

}  // namespace dspm::commit
