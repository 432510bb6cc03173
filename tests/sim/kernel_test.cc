// The simulated kernel has the facts of design 2-kernel.md.
#include <gtest/gtest.h>

#include <variant>

#include "tests/sim/sim_kernel.h"

namespace dspm::sim {
namespace {

constexpr Ino kIno{7};
constexpr std::uint64_t kToEnd = ~std::uint64_t{0};

// A daemon that notes what it is asked and answers when told to.
class Kernel : public testing::Test {
 protected:
  void begin(KernelOptions options = {}, std::uint64_t size = 4 * kPageSize) {
    options.write_delay_us = options.apply_delay_us = options.setattr_delay_us = 1;
    kernel_ = std::make_unique<SimKernel>(
        scheduler_, NodeId(1), options, [this](dsm::KernelEvent event, Bytes payload) {
          asked_.push_back({std::move(event), std::move(payload)});
        });
    kernel_->lookup(kIno, [] {});
    answer_attr(size);
    kernel_->open(kIno, true, [] {});
    answer_plain();
    run();
  }
  void run() {
    while (scheduler_.step()) {
    }
  }
  template <class Request>
  Request take() {
    run();
    EXPECT_FALSE(asked_.empty());
    if (asked_.empty()) return {};
    EXPECT_TRUE(std::holds_alternative<Request>(asked_.front().first));
    payload_ = asked_.front().second;
    const auto request = std::get<Request>(asked_.front().first);
    asked_.erase(asked_.begin());
    return request;
  }
  bool nothing() {
    run();
    return asked_.empty();
  }
  void answer_attr(std::uint64_t size) {
    const auto r = take<dsm::AttrRequest>();
    kernel_->answer(dsm::AttrAnswer{r.unique, size, {}}, {});
    run();
  }
  void answer_plain() {
    run();
    const Unique unique = std::visit(
        [](const auto& e) {
          if constexpr (requires { e.unique; }) return e.unique;
          return Unique();
        },
        asked_.front().first);
    payload_ = asked_.front().second;
    asked_.erase(asked_.begin());
    kernel_->answer(dsm::PlainAnswer{unique, Status::ok}, {});
    run();
  }
  void answer_read(std::uint32_t size = kPageSize, int fill = 0) {
    const auto r = take<dsm::ReadRequest>();
    dsm::ReadAnswer answer{r.unique, {}, 0, size};
    for (std::uint32_t n = 0; n < size; n += kPageSize) {
      auto page = new_zero_page();
      page->data.fill(std::byte(fill));
      answer.pages.push_back(page);
    }
    kernel_->answer(answer, {});
    run();
  }
  // -1: not yet; -2: SIGBUS.
  std::shared_ptr<int> load(std::uint64_t at) {
    auto v = std::make_shared<int>(-1);
    kernel_->load(kIno, at, [v](std::optional<std::byte> b) { *v = b ? int(*b) : -2; });
    return v;
  }
  std::shared_ptr<bool> store(std::uint64_t at, int value) {
    auto done = std::make_shared<bool>(false);
    kernel_->store({kIno, at, std::byte(value), false, [](Generation) { return true; }},
                   [done](bool stored) { *done = stored; });
    return done;
  }
  std::shared_ptr<bool> write(std::uint64_t at, std::uint64_t size, int fill) {
    auto done = std::make_shared<bool>(false);
    kernel_->write(
        kIno, at, [size, fill](std::uint64_t) { return Bytes(size, std::byte(fill)); },
        [](std::uint64_t, std::uint64_t) {}, [done](Status) { *done = true; });
    return done;
  }
  std::shared_ptr<bool> notify(dsm::Job::Kind kind, std::uint64_t offset, std::uint64_t length,
                               std::uint64_t size = 0) {
    auto done = std::make_shared<bool>(false);
    kernel_->run({Ticket(1), kIno, kind, offset, length, size, {}}, [done](bool) { *done = true; });
    return done;
  }

  Scheduler scheduler_{1};
  std::unique_ptr<SimKernel> kernel_;
  std::vector<std::pair<dsm::KernelEvent, Bytes>> asked_;
  Bytes payload_;
};

TEST_F(Kernel, FaultsOnceAndStoresInSilence) {
  begin();
  const auto v = load(5);
  answer_read(kPageSize, 9);
  EXPECT_EQ(*v, 9);
  EXPECT_TRUE(*store(5, 3));
  EXPECT_TRUE(nothing());
  EXPECT_EQ(*load(5), 3);
}

TEST_F(Kernel, PastTheEndIsSigbusWithoutRead) {
  begin();
  EXPECT_EQ(*load(4 * kPageSize), -2);
  EXPECT_TRUE(nothing());
}

TEST_F(Kernel, WholePageWriteLeavesAPageWithoutRead) {
  begin();
  const auto done = write(0, kPageSize, 8);
  EXPECT_EQ(take<dsm::WriteRequest>().mapped, false);
  EXPECT_EQ(payload_.size(), kPageSize);
  EXPECT_EQ(*load(0), 8);
  EXPECT_TRUE(nothing());
}

TEST_F(Kernel, PartOfAnAbsentPageIsLockedAndNotKept) {
  begin();
  write(0, 10, 8);
  const auto v = load(0);
  EXPECT_EQ(*v, -1);
  answer_plain();
  answer_read(kPageSize, 8);
  EXPECT_EQ(*v, 8);
}

TEST_F(Kernel, MsyncWritesThenSyncs) {
  begin();
  const auto v = load(0);
  answer_read();
  store(0, 1);
  kernel_->msync(kIno, 0, kToEnd, [](Status) {});
  const auto w = take<dsm::WriteRequest>();
  EXPECT_TRUE(w.mapped);
  EXPECT_EQ(payload_.size(), kPageSize);
  EXPECT_TRUE(nothing());
  const auto blocked = store(0, 2);
  run();
  EXPECT_FALSE(*blocked);
  kernel_->answer(dsm::PlainAnswer{w.unique, Status::ok}, {});
  take<dsm::SyncRequest>();
  EXPECT_TRUE(*blocked);
}

TEST_F(Kernel, NotifyOfADirtyPageWritesItAndWaits) {
  begin();
  load(0);
  answer_read();
  store(0, 1);
  const auto done = notify(dsm::Job::Kind::drop, 0, kPageSize);
  run();
  EXPECT_FALSE(*done);
  answer_plain();
  EXPECT_TRUE(*done);
  EXPECT_FALSE(kernel_->cached(kIno, 0));
}

TEST_F(Kernel, NotifyWaitsForAReadInFlight) {
  begin();
  load(0);
  const auto done = notify(dsm::Job::Kind::drop, 0, kPageSize);
  run();
  EXPECT_FALSE(*done);
  answer_read();
  EXPECT_TRUE(*done);
}

TEST_F(Kernel, Before6_16NotifyPassesAWriteUnderWay) {
  begin({.before_6_16 = true});
  load(0);
  answer_read();
  store(0, 1);
  kernel_->write_back(kIno, 0);
  const auto done = notify(dsm::Job::Kind::drop, 0, kPageSize);
  run();
  EXPECT_TRUE(*done);
  const auto v = load(0);  // no READ while the WRITE is unanswered
  answer_plain();
  answer_read(kPageSize, 4);
  EXPECT_EQ(*v, 4);
}

TEST_F(Kernel, NoWriteWhileSetattrIsUnanswered) {
  begin();
  load(0);
  answer_read();
  kernel_->truncate(kIno, 2 * kPageSize, [](Status) {});
  const auto resize = take<dsm::ResizeRequest>();
  store(0, 1);
  const auto done = notify(dsm::Job::Kind::drop, 0, kPageSize);
  EXPECT_TRUE(nothing());
  EXPECT_FALSE(*done);
  kernel_->answer(dsm::AttrAnswer{resize.unique, 2 * kPageSize, {}}, {});
  run();
  if (std::holds_alternative<dsm::AttrRequest>(asked_.front().first)) answer_attr(2 * kPageSize);
  take<dsm::SetattrAnswered>();
  answer_plain();
  EXPECT_TRUE(*done);
  EXPECT_EQ(kernel_->size(kIno), 2 * kPageSize);
}

TEST_F(Kernel, GetattrAnswerFromBeforeANotifyIsVoid) {
  begin();
  kernel_->stat(kIno, [](std::uint64_t) {});
  notify(dsm::Job::Kind::void_attrs, 0, 0);
  answer_attr(100);
  EXPECT_EQ(kernel_->size(kIno), 4 * kPageSize);
  kernel_->stat(kIno, [](std::uint64_t) {});
  answer_attr(100);
  EXPECT_EQ(kernel_->size(kIno), 100u);
}

TEST_F(Kernel, SetattrAnswerUndoesARaise) {
  begin({}, kPageSize);
  kernel_->chmod(kIno, [] {});
  const auto r = take<dsm::AttrRequest>();
  kernel_->answer(dsm::AttrAnswer{r.unique, kPageSize, {}}, {});
  notify(dsm::Job::Kind::raise_size, kPageSize, 0, 2 * kPageSize);
  run();
  EXPECT_EQ(kernel_->size(kIno), kPageSize);
}

TEST_F(Kernel, RaiseTouchesNoByteAndDropsFromTheOldEnd) {
  begin({}, 100);
  load(0);
  answer_read(kPageSize, 5);
  const auto done = notify(dsm::Job::Kind::raise_size, 100, 0, kPageSize + 1);
  run();
  EXPECT_TRUE(*done);
  EXPECT_EQ(kernel_->size(kIno), kPageSize + 1);
  EXPECT_FALSE(kernel_->cached(kIno, 0));
}

TEST_F(Kernel, ShortReadLowersTheSize) {
  begin();
  const auto v = load(kPageSize);
  answer_read(0);
  EXPECT_EQ(*v, -2);
  EXPECT_TRUE(kernel_->cached(kIno, 1));  // it drops nothing
  EXPECT_EQ(kernel_->size(kIno), kPageSize);
}

TEST_F(Kernel, DirectWriteDropsBeforeAndAfter) {
  begin();
  load(0);
  answer_read();
  kernel_->direct_write(
      kIno, 0, Bytes(512), [](std::uint64_t, std::uint64_t) {}, [](Status) {});
  const auto w = take<dsm::WriteRequest>();
  EXPECT_TRUE(w.direct);
  EXPECT_FALSE(kernel_->cached(kIno, 0));
  load(0);
  answer_read();
  kernel_->answer(dsm::PlainAnswer{w.unique, Status::ok}, {});
  run();
  EXPECT_FALSE(kernel_->cached(kIno, 0));
}

TEST_F(Kernel, PinnedPageIsKept) {
  begin();
  load(0);
  answer_read();
  store(0, 1);
  kernel_->pin(kIno, 0);
  const auto done = notify(dsm::Job::Kind::drop, 0, kPageSize);
  answer_plain();
  EXPECT_TRUE(*done);
  EXPECT_TRUE(kernel_->cached(kIno, 0));
  EXPECT_TRUE(kernel_->dirty(kIno, 0));
}

TEST_F(Kernel, ForgetNeedsIdleness) {
  begin();
  EXPECT_FALSE(kernel_->forget(kIno));
  kernel_->close(
      kIno, true, [](Status) {}, [] {});
  answer_plain();  // FLUSH
  answer_plain();  // RELEASE
  EXPECT_TRUE(kernel_->forget(kIno));
  take<dsm::Forgotten>();
}

}  // namespace
}  // namespace dspm::sim
