#include "commit/frame_table.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "commit/fragment.h"
#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::commit {
namespace {

using format::FrameHeader;
using format::kUnit;
using format::kUnits;

constexpr unsigned kAllUnits = (1u << kUnits) - 1;
constexpr std::uint64_t kLine = 64;

unsigned units_of(const Piece& piece) {
  unsigned units = 0;
  for (std::size_t u = piece.offset / kUnit; u * kUnit < piece.offset + piece.bytes.size(); ++u)
    units |= 1u << u;
  return units;
}

void put(std::byte* page, const Piece& piece) {
  if (!piece.bytes.empty())
    std::memcpy(page + piece.offset, piece.bytes.data(), piece.bytes.size());
}

class GroupFrames final : public FrameStore {
 public:
  GroupFrames(FrameTable& table, GroupId group) : table_(table), group_(group) {}
  FrameNo create(Ino ino, PageNo page, Version version, std::span<const Piece> pieces) override {
    return table_.create(group_, ino, page, version, pieces);
  }
  FrameNo edit(FrameNo frame, Version version, std::span<const Piece> pieces) override {
    return table_.edit(frame, version, pieces);
  }
  void let_go(FrameNo frame) override { table_.let_go(frame); }
  PageRef page(FrameNo frame) override { return table_.page(frame); }
  PageRef raw(FrameNo frame) override { return table_.raw(frame); }
  void folded(Lsn lsn) override { table_.release(group_, lsn); }
  std::vector<Existing> existing() override { return table_.existing(group_); }

 private:
  FrameTable& table_;
  GroupId group_;
};

}  // namespace

FrameTable::FrameTable(Pmem& pmem, std::uint32_t pool_tag, std::uint64_t frames)
    : pmem_(pmem), tag_(pool_tag), frames_(frames), pages_(frames) {
  if (pmem.kind() == PmemKind::file) headers_.resize((frames + kChunk - 1) / kChunk);
}

FrameHeader& FrameTable::header(FrameNo frame) {
  DSPM_CHECK(frame < frames_, frame, frames_);
  if (headers_.empty())
    return *reinterpret_cast<FrameHeader*>(pmem_.memory() + format::header_offset(frame));
  auto& chunk = headers_[frame / kChunk];
  if (!chunk) chunk = std::make_unique<std::array<FrameHeader, kChunk>>();
  return (*chunk)[frame % kChunk];
}

// Lines [first, last] of a header, as it stands in memory.
void FrameTable::write_lines(FrameNo frame, unsigned first, unsigned last) {
  const std::uint64_t from = first * kLine, length = (last - first + 1) * kLine;
  const std::uint64_t offset = format::header_offset(frame) + from;
  if (headers_.empty()) {
    pmem_.flush(offset, length);
  } else {
    pmem_.write(offset, std::as_bytes(std::span(&header(frame), 1)).subspan(from, length));
  }
}

void FrameTable::start(const Found& found) {
  for (const FrameOnMedia& f : found.frames) {
    FrameHeader& h = header(f.frame);
    h = f.header;
    if (h.until != (format::kAlive | h.stamp) && !planted(Planted::let_go_not_undone)) {
      h.until = format::kAlive | h.stamp;  // behind the checkpoint: it never happened
      write_lines(f.frame, 1, 1);
    }
    ++count_;
    sum_ += h.identity_crc;
    Usage& usage = usage_[GroupId(h.group)];
    ++usage.live;
    usage.found.push_back({Ino(h.ino), PageNo(h.page), Version(h.version), f.frame});
    if (f.torn != 0) torn_[f.frame] = f.torn;
  }
  for (const FrameNo frame : found.erase) {
    if (planted(Planted::late_frames_not_erased)) break;
    header(frame) = {};
    write_lines(frame, 0, 1);
  }
  stamp_ = found.stamp;
  noted_ = synced_ = found.checkpoint_stamp;
  untouched_ = secured_ = found.untouched;
  std::vector<bool> used(untouched_);
  for (const FrameOnMedia& f : found.frames) used[f.frame] = true;
  for (FrameNo f = untouched_; f-- > 0;)
    if (!used[f]) free_.push_back(f);
}

std::unique_ptr<FrameStore> FrameTable::store(GroupId group) {
  return std::make_unique<GroupFrames>(*this, group);
}

std::vector<FrameStore::Existing> FrameTable::existing(GroupId group) {
  return std::exchange(usage_[group].found, {});
}

std::array<std::uint32_t, kUnits> FrameTable::unit_crcs(FrameNo frame) {
  return header(frame).unit_crc;
}

void FrameTable::damaged(FrameNo frame, const char* what) {
  if (!health_) return;
  const FrameHeader& h = header(frame);
  health_ = Error{Status::corrupt, "page " + std::to_string(h.page) + " of object " +
                                       std::to_string(h.ino) + " in group " +
                                       std::to_string(h.group) + ": " + what};
}

// ---- giving away and letting go

FrameNo FrameTable::take() {
  if (free_.empty()) {
    DSPM_CHECK(untouched_ < frames_, "no frame is free, but one was promised", frames_);
    return untouched_++;
  }
  const FrameNo frame = free_.back();
  free_.pop_back();
  return frame;
}

void FrameTable::give(FrameNo frame, const FrameHeader& to) {
  FrameHeader& h = header(frame);
  h = {};
  h.ino = to.ino;
  h.page = to.page;
  h.group = to.group;
  h.stamp = ++stamp_;
  h.identity_crc = identity_crc(h, tag_);
  h.until = format::kAlive | h.stamp;
  ++count_;
  sum_ += h.identity_crc;
  ++usage_[GroupId(h.group)].live;
}

void FrameTable::let_go(FrameNo frame) {
  FrameHeader& h = header(frame);
  const Gone gone{frame, GroupId(h.group)};
  --count_;
  sum_ -= h.identity_crc;
  --usage_[gone.group].live;
  ++usage_[gone.group].let_go;
  torn_.erase(frame);
  if (!headers_.empty()) pages_[frame] = nullptr;
  if (h.stamp > noted_) {
    // No checkpoint knows it. Its end is not written to line 1: with what may still be line 0 on
    // media, of the page before, it would be taken for that page's end.
    std::memset(&h, 0, kLine);
    write_lines(frame, 0, 0);
    return pinned(frame) ? pinned_.push_back(gone) : put_free(gone);
  }
  if (h.stamp > synced_) {
    ends_.push_back(frame);
  } else {
    write_end(frame);
  }
  if (planted(Planted::frame_reused_early)) return put_free(gone);
  waiting_.push_back(gone);
}

void FrameTable::write_end(FrameNo frame) {
  header(frame).until = ++stamp_;
  write_lines(frame, 1, 1);
}

void FrameTable::put_free(const Gone& gone) {
  --usage_[gone.group].let_go;
  pages_[gone.frame] = nullptr;
  free_.push_back(gone.frame);
}

void FrameTable::checkpoint_begun() {
  DSPM_CHECK(covered_.empty() && ends_.empty(), covered_.size(), ends_.size());
  noted_ = stamp_;
  covered_ = std::exchange(waiting_, {});
}

void FrameTable::checkpoint_synced() {
  synced_ = noted_;
  for (const FrameNo frame : std::exchange(ends_, {})) write_end(frame);
}

void FrameTable::checkpoint_durable() {
  for (const Gone& gone : std::exchange(covered_, {})) {
    if (pinned(gone.frame)) {
      pinned_.push_back(gone);
    } else {
      put_free(gone);
    }
  }
}

void FrameTable::collect() {
  constexpr std::size_t kLooksAtOnce = 64;
  for (std::size_t i = 0; i < kLooksAtOnce && !pinned_.empty(); ++i) {
    looked_ = (looked_ + 1) % pinned_.size();
    const Gone gone = pinned_[looked_];
    if (pinned(gone.frame)) continue;
    pinned_[looked_] = pinned_.back();
    pinned_.pop_back();
    put_free(gone);
  }
}

// ---- bytes

std::byte* FrameTable::mapped(FrameNo frame) {
  return pmem_.memory() + format::frame_offset(frames_, frame);
}

bool FrameTable::pinned(FrameNo frame) const {
  return pages_[frame] != nullptr && pages_[frame].use_count() > 1 &&
         !planted(Planted::pinned_frame_written);
}

// Known limit: the first look at a page of a file's pool reads the disk here, in the caller's
// thread.
OwnPage& FrameTable::load(FrameNo frame) {
  OwnPage& page = pages_[frame];
  if (page) return page;
  if (headers_.empty()) {
    page = OwnPage(reinterpret_cast<PageBytes*>(mapped(frame)), [](PageBytes*) {});
    return page;
  }
  page = new_zero_page();
  const auto read = pmem_.read(PmemRegion::pool, format::frame_offset(frames_, frame), page->data);
  if (!read && health_) health_ = read;
  const auto torn = torn_.find(frame);
  for (std::size_t u = 0; u < kUnits; ++u) {
    const bool known = torn != torn_.end() && (torn->second >> u & 1u) != 0;
    if (!known && unit_crc(page->data, u) != header(frame).unit_crc[u])
      damaged(frame, "its bytes on media do not match their CRC");
  }
  return page;
}

PageRef FrameTable::raw(FrameNo frame) { return load(frame); }

PageRef FrameTable::page(FrameNo frame) {
  if (torn_.contains(frame))
    damaged(frame,
            "its bytes on media do not match their CRC, and nothing decided says them again");
  return load(frame);
}

// CRCs of `units` and the header's second line.
void FrameTable::update(FrameNo frame, ByteSpan page, Version version, unsigned units) {
  FrameHeader& h = header(frame);
  h.version = version.value;
  for (std::size_t u = 0; u < kUnits; ++u)
    if ((units >> u & 1u) != 0) h.unit_crc[u] = unit_crc(page, u);
  h.soft_crc = soft_crc(h);
  if (const auto torn = torn_.find(frame); torn != torn_.end()) {
    torn->second = std::uint8_t(torn->second & ~units);
    if (torn->second == 0) torn_.erase(torn);
  }
}

void FrameTable::write_units(FrameNo frame, ByteSpan page, unsigned units) {
  const std::uint64_t offset = format::frame_offset(frames_, frame);
  for (std::size_t u = 0; u < kUnits;) {
    std::size_t end = u;
    while (end < kUnits && (units >> end & 1u) != 0) ++end;
    if (end > u) pmem_.write(offset + u * kUnit, page.subspan(u * kUnit, (end - u) * kUnit));
    u = end > u ? end : u + 1;
  }
}

FrameNo FrameTable::create(GroupId group, Ino ino, PageNo page, Version version,
                           std::span<const Piece> pieces) {
  FrameHeader to{};
  to.ino = ino.value;
  to.page = page.value;
  to.group = group.value;
  return fresh(to, zero_page()->data, version, pieces);
}

// A frame that has `bytes` and then `pieces`.
FrameNo FrameTable::fresh(const FrameHeader& to, ByteSpan bytes, Version version,
                          std::span<const Piece> pieces) {
  const FrameNo frame = take();
  give(frame, to);
  std::byte* page = nullptr;
  if (headers_.empty()) {
    page = mapped(frame);
  } else {
    pages_[frame] = new_zero_page();
    page = pages_[frame]->data.data();
  }
  std::memcpy(page, bytes.data(), kPageSize);
  for (const Piece& piece : pieces) put(page, piece);
  const ByteSpan now(page, kPageSize);
  if (headers_.empty()) {
    pmem_.flush(format::frame_offset(frames_, frame), kPageSize);
  } else {
    write_units(frame, now, kAllUnits);
  }
  update(frame, now, version, kAllUnits);
  write_lines(frame, 0, 1);
  return frame;
}

FrameNo FrameTable::edit(FrameNo frame, Version version, std::span<const Piece> pieces) {
  if (planted(Planted::replay_by_version) && header(frame).version >= version.value) return frame;
  if (headers_.empty() && pinned(frame)) {
    const FrameHeader to = header(frame);
    const FrameNo elsewhere = fresh(to, ByteSpan(mapped(frame), kPageSize), version, pieces);
    let_go(frame);
    return elsewhere;
  }
  std::byte* page = nullptr;
  if (headers_.empty()) {
    page = mapped(frame);
  } else {
    OwnPage& own = load(frame);
    make_writable(own);  // the holder keeps the old bytes in DRAM
    page = own->data.data();
  }
  unsigned units = 0;
  for (const Piece& piece : pieces) {
    put(page, piece);
    units |= units_of(piece);
    if (headers_.empty())
      pmem_.flush(format::frame_offset(frames_, frame) + piece.offset, piece.bytes.size());
  }
  const ByteSpan now(page, kPageSize);
  if (!headers_.empty()) write_units(frame, now, units);
  update(frame, now, version, units);
  write_lines(frame, 1, 1);
  return frame;
}

// ---- promises

Outcome FrameTable::secure(std::uint64_t frames) {
  constexpr std::uint64_t kAtOnce = 4096;  // 16 MiB
  const std::uint64_t wanted = promised_ + frames;
  if (wanted <= free_.size() || untouched_ + (wanted - free_.size()) <= secured_) return Done{};
  const FrameNo needed = std::min(untouched_ + (wanted - free_.size()), frames_);
  // Near the end of the disk only what is needed.
  for (const FrameNo end : {std::min(needed + kAtOnce, frames_), needed}) {
    const auto secured = pmem_.secure(format::frame_offset(frames_, end));
    if (secured) {
      secured_ = end;
      return Done{};
    }
    if (end == needed) return secured;
  }
  return Done{};
}

void FrameTable::promise(GroupId group, Lsn lsn, std::uint64_t frames) {
  if (const auto secured = secure(frames); !secured && health_) health_ = secured;
  Usage& usage = usage_[group];
  if (frames == 0 || !usage.promises.emplace(lsn, frames).second) return;
  usage.promised += frames;
  promised_ += frames;
}

void FrameTable::release(GroupId group, Lsn upto) {
  Usage& usage = usage_[group];
  usage.folded = std::max(usage.folded, upto);
  while (!usage.promises.empty() && usage.promises.begin()->first <= upto) {
    usage.promised -= usage.promises.begin()->second;
    promised_ -= usage.promises.begin()->second;
    usage.promises.erase(usage.promises.begin());
  }
}

void FrameTable::release_from(GroupId group, std::uint64_t sequence) {
  Usage& usage = usage_[group];
  std::erase_if(usage.promises, [&](const auto& promise) {
    const bool gone = promise.first.sequence() >= sequence;
    if (gone) usage.promised -= promise.second;
    if (gone) promised_ -= promise.second;
    return gone;
  });
}

Lsn FrameTable::folded(GroupId group) const {
  const auto it = usage_.find(group);
  return it == usage_.end() ? Lsn() : it->second.folded;
}

std::uint64_t FrameTable::live(GroupId group) const {
  const auto it = usage_.find(group);
  return it == usage_.end() ? 0 : it->second.live;
}

std::uint64_t FrameTable::let_go_of(GroupId group) const {
  const auto it = usage_.find(group);
  return it == usage_.end() ? 0 : it->second.let_go;
}

std::uint64_t FrameTable::used(GroupId group) const {
  const auto it = usage_.find(group);
  return it == usage_.end() ? 0 : it->second.live + it->second.let_go + it->second.promised;
}

void FrameTable::check_invariants() const {
  std::uint64_t live = 0, let_go = 0;
  for (const auto& [group, usage] : usage_) {
    live += usage.live;
    let_go += usage.let_go;
  }
  DSPM_CHECK(live == count_, live, count_);
  DSPM_CHECK(let_go == waiting_.size() + covered_.size() + pinned_.size(), let_go);
  DSPM_CHECK(live + let_go + free_.size() == untouched_, live, let_go, free_.size(), untouched_);
}

}  // namespace dspm::commit
