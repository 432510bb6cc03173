// Frames on the heap.
#include <algorithm>

#include "commit/frame_store.h"
#include "utils/base/check.h"

namespace dspm::commit {
namespace {

class HeapFrames final : public FrameStore {
 public:
  FrameNo create(Ino, PageNo, Version, std::span<const Piece> pieces) override {
    FrameNo frame = frames_.size();
    if (free_.empty()) {
      frames_.emplace_back();
    } else {
      frame = free_.back();
      free_.pop_back();
    }
    frames_[frame] = new_zero_page();
    put(*frames_[frame], pieces);
    return frame;
  }
  FrameNo edit(FrameNo frame, Version, std::span<const Piece> pieces) override {
    make_writable(frames_[frame]);
    put(*frames_[frame], pieces);
    return frame;
  }
  void let_go(FrameNo frame) override {
    frames_[frame] = nullptr;
    free_.push_back(frame);
  }
  PageRef page(FrameNo frame) override {
    DSPM_CHECK(frames_[frame] != nullptr, frame);
    return frames_[frame];
  }
  PageRef raw(FrameNo frame) override { return page(frame); }
  void folded(Lsn) override {}
  std::vector<Existing> existing() override { return {}; }

 private:
  static void put(PageBytes& page, std::span<const Piece> pieces) {
    for (const Piece& piece : pieces)
      std::copy(piece.bytes.begin(), piece.bytes.end(), page.data.begin() + piece.offset);
  }
  std::vector<OwnPage> frames_;
  std::vector<FrameNo> free_;
};

}  // namespace

std::unique_ptr<FrameStore> make_heap_frames() { return std::make_unique<HeapFrames>(); }

}  // namespace dspm::commit
