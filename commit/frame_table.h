// All frames of a pool: which exist, their headers and bytes on media, which may be given away. A
// frame that a page has let go of is free when a later checkpoint record is durable and nobody
// holds it any more.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "commit/format.h"
#include "commit/frame_store.h"
#include "utils/base/result.h"
#include "utils/pmem/pmem.h"

namespace dspm::commit {

class FrameTable {
 public:
  struct FrameOnMedia {
    FrameNo frame = 0;
    format::FrameHeader header;
    std::uint8_t torn = 0;  // units that fail their CRC: a record of the log touches them
  };
  // What recovery found.
  struct Found {
    std::vector<FrameOnMedia> frames;  // that exist at the checkpoint
    std::vector<FrameNo> erase;        // given away behind it
    std::uint64_t stamp = 0;           // the highest that any header names
    std::uint64_t checkpoint_stamp = 0;
    FrameNo untouched = 0;  // from here on no header says anything
  };

  FrameTable(Pmem& pmem, std::uint32_t pool_tag, std::uint64_t frames);
  // Once, before anything else.
  void start(const Found& found);
  // The table outlives the store.
  std::unique_ptr<FrameStore> store(GroupId group);

  // ---- FrameStore's calls
  FrameNo create(GroupId group, Ino ino, PageNo page, Version version,
                 std::span<const Piece> pieces);
  FrameNo edit(FrameNo frame, Version version, std::span<const Piece> pieces);
  void let_go(FrameNo frame);
  PageRef page(FrameNo frame);
  PageRef raw(FrameNo frame);
  std::vector<FrameStore::Existing> existing(GroupId group);  // once
  // CRCs of a page's units, as its header has them.
  std::array<std::uint32_t, format::kUnits> unit_crcs(FrameNo frame);

  // ---- promises [P10]
  // `frames` more than are promised can be given away without meeting a full file system. May block
  // for a moment. Errors: no_space, io_error.
  Outcome secure(std::uint64_t frames);
  void promise(GroupId group, Lsn lsn, std::uint64_t frames);
  void release(GroupId group, Lsn upto);
  // The records from `sequence` on will not be folded.
  void release_from(GroupId group, std::uint64_t sequence);
  Lsn folded(GroupId group) const;  // the highest that was released
  std::uint64_t live(GroupId group) const;
  std::uint64_t let_go_of(GroupId group) const;  // and not yet free
  std::uint64_t used(GroupId group) const;       // both, and what is promised

  // ---- checkpoints
  std::uint64_t stamp() const { return stamp_; }
  std::uint64_t count() const { return count_; }
  std::uint64_t sum() const { return sum_; }
  // What was let go up to now is not in the checkpoint that begins; its headers are durable; its
  // record is.
  void checkpoint_begun();
  void checkpoint_synced();
  void checkpoint_durable();
  // Looks whether pins have gone.
  void collect();

  std::uint64_t total() const { return frames_; }
  const Outcome& health() const { return health_; }
  void check_invariants() const;

 private:
  struct Usage {
    std::uint64_t live = 0, let_go = 0, promised = 0;
    std::map<Lsn, std::uint64_t> promises;
    Lsn folded;
    std::vector<FrameStore::Existing> found;
  };
  struct Gone {
    FrameNo frame = 0;
    GroupId group;
  };
  static constexpr std::uint64_t kChunk = 256;  // headers

  format::FrameHeader& header(FrameNo frame);
  void write_lines(FrameNo frame, unsigned first, unsigned last);
  FrameNo take();
  void give(FrameNo frame, const format::FrameHeader& to);
  void put_free(const Gone& gone);
  void write_end(FrameNo frame);
  FrameNo fresh(const format::FrameHeader& to, ByteSpan bytes, Version version,
                std::span<const Piece> pieces);
  std::byte* mapped(FrameNo frame);
  OwnPage& load(FrameNo frame);
  bool pinned(FrameNo frame) const;
  void write_units(FrameNo frame, ByteSpan page, unsigned units);
  void update(FrameNo frame, ByteSpan page, Version version, unsigned units);
  void damaged(FrameNo frame, const char* what);

  Pmem& pmem_;
  const std::uint32_t tag_;
  const std::uint64_t frames_;
  std::uint64_t stamp_ = 0, count_ = 0, sum_ = 0;
  std::uint64_t noted_ = 0, synced_ = 0;  // stamp_ when the last checkpoint began, was synced
  FrameNo untouched_ = 0;                 // from here on no frame was ever given away
  FrameNo secured_ = 0;                   // before it frames have space in the file system
  std::uint64_t promised_ = 0;            // of all groups
  std::vector<FrameNo> free_;             // before untouched_
  std::vector<Gone> waiting_;             // let go since the last checkpoint began
  std::vector<Gone> covered_;             // let go, not in the checkpoint under way
  std::vector<Gone> pinned_;              // in no checkpoint any more, but somebody holds them
  std::size_t looked_ = 0;                // at this one of them
  std::vector<FrameNo> ends_;             // let go; to be written when the headers are synced
  std::map<GroupId, Usage> usage_;
  std::map<FrameNo, std::uint8_t> torn_;
  // Byte-addressable: who holds it. File: the bytes in DRAM, once read or written.
  std::vector<OwnPage> pages_;
  std::vector<std::unique_ptr<std::array<format::FrameHeader, kChunk>>> headers_;  // kind file
  Outcome health_ = Done{};
};

}  // namespace dspm::commit
