// One holder by hand: node 2 of a cluster whose group 1 is ordered by node 1. Each call is one
// event; what it made the holder do is looked at before the next.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "dsm/holder.h"
#include "tests/unit/dsm/holder_values.h"

namespace dspm::dsm::test {

class HolderTest : public ::testing::Test {
 protected:
  static constexpr Ino kIno{42};
  static constexpr NodeId kSelf{2}, kHome{1};
  static constexpr GroupId kGroup{1};
  static constexpr Epoch kEpoch{1};

  explicit HolderTest(HolderLimits limits = {})
      : holder(kSelf, Incarnation(7), groups, 30s, limits) {
    groups.learn(kGroup, {kEpoch, kHome, Incarnation(5)});
    holder.object_learnt(kIno, kGroup);
  }
  ~HolderTest() override { holder.check_invariants(); }

  // ---- events
  void kernel(const KernelEvent& event) {
    step([&] { holder.kernel(event, now, out); });
  }
  void open(std::uint64_t unique = 1) { kernel(OpenRequest{Unique(unique), kIno, true, unique}); }
  void read(std::uint64_t unique, std::uint64_t page, std::uint64_t count = 1) {
    kernel(ReadRequest{Unique(unique), kIno, page * kPageSize, std::uint32_t(count * kPageSize)});
  }
  void write(std::uint64_t unique, std::uint64_t offset, const Bytes& bytes) {
    kernel(WriteRequest{Unique(unique), kIno, offset, bytes, false, false, {1000}});
  }
  void direct_write(std::uint64_t unique, std::uint64_t offset, const Bytes& bytes) {
    kernel(WriteRequest{Unique(unique), kIno, offset, bytes, false, true, {1000}});
  }
  void mapped(std::uint64_t unique, std::uint64_t offset, const Bytes& bytes) {
    kernel(WriteRequest{Unique(unique), kIno, offset, bytes, true, false, {2000}});
  }
  void sync(std::uint64_t unique, std::uint64_t handle = 1) {
    kernel(SyncRequest{Unique(unique), kIno, handle});
  }
  void getattr(std::uint64_t unique, bool setattr = false) {
    kernel(AttrRequest{Unique(unique), kIno, setattr});
  }
  void resize(std::uint64_t unique, std::uint64_t size) {
    kernel(ResizeRequest{Unique(unique), kIno, size, {3000}});
  }
  void inval(std::uint64_t version, PageRuns pages, std::optional<Header> header = {}) {
    const Inval message{kGroup, kEpoch, kIno, at(version), std::move(pages), std::move(header)};
    step([&] { holder.inval(kHome, message, now, out); });
  }
  void attr(std::uint64_t request, const Header& header, Times times = {}) {
    const Attr message{kGroup, kEpoch, kIno, request, header, times};
    step([&] { holder.attr(message, now, out); });
  }
  void data(const Fetch& asked, std::uint64_t version, const PageRef& bytes, bool contains = false,
            std::uint64_t generation = 0) {
    Data message{kGroup, kEpoch, kIno, asked.request, asked.asked, contains, Generation(generation),
                 {}};
    for (PageNo p = asked.pages.first; p < asked.pages.end(); ++p.value) {
      message.pages.push_back({p, at(version), bytes});
    }
    step([&] { holder.data(message, now, out); });
  }
  void done(Ticket ticket, bool unknown = false) {
    step([&] { holder.job_done({ticket, kIno, unknown}, now, out); });
  }
  void settled(const CommitId& id, std::uint64_t version, std::vector<ReplacedPage> pages,
               const Header& header, bool is_done = true) {
    const CommitSettled commit{kIno, id, at(version), std::move(pages), header, is_done};
    step([&] { holder.commit_settled(commit, now, out); });
  }
  void returned(const CommitId& id, Status reason, const Header& header) {
    step([&] { holder.commit_returned(kIno, id, reason, header, now, out); });
  }
  void lost(const CommitId& id) {
    step([&] { holder.commit_lost(kIno, id, now, out); });
  }
  void new_life(Epoch epoch) {  // of the home, which has lost its memory [P6]
    groups.learn(kGroup, {epoch, kHome, Incarnation(6)});
    step([&] { holder.group_reset(kGroup, now, out); });
  }
  void after(Duration time) {
    now += time;
    step([&] { holder.tick(now, out); });
  }

  // ---- what the last event made it do
  template <class Message>
  std::vector<Message> sent() const {
    std::vector<Message> found;
    for (const HolderEffect& effect : out) {
      const auto* send = std::get_if<HolderSend>(&effect);
      if (send == nullptr) continue;
      EXPECT_EQ(send->to, kHome);
      if (const auto* m = std::get_if<Message>(&send->message)) found.push_back(*m);
    }
    return found;
  }
  template <class Effect>
  std::vector<Effect> all() const {
    std::vector<Effect> found;
    for (const HolderEffect& effect : out) {
      if (const auto* e = std::get_if<Effect>(&effect)) found.push_back(*e);
    }
    return found;
  }
  template <class Answer>
  std::vector<Answer> answers() const {
    std::vector<Answer> found;
    for (const KernelAnswer& answer : all<KernelAnswer>()) {
      if (const auto* a = std::get_if<Answer>(&answer)) found.push_back(*a);
    }
    return found;
  }
  std::optional<Status> status(std::uint64_t unique) const {
    for (const PlainAnswer& a : answers<PlainAnswer>()) {
      if (a.unique == Unique(unique)) return a.status;
    }
    return std::nullopt;
  }
  std::optional<std::uint64_t> size_told(std::uint64_t unique) const {
    for (const AttrAnswer& a : answers<AttrAnswer>()) {
      if (a.unique == Unique(unique)) return a.size;
    }
    return std::nullopt;
  }
  // The only one of its kind; a default one, and a failure, otherwise.
  template <class T>
  T only(std::vector<T> found) const {
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? T{} : std::move(found.front());
  }
  Fetch fetch() const { return only(sent<Fetch>()); }
  Job job() const { return only(all<Job>()); }
  SubmitCommit submitted() const { return only(all<SubmitCommit>()); }
  char byte(std::size_t i) const {  // of the READ answered
    const ReadAnswer answer = only(answers<ReadAnswer>());
    if (i >= answer.size) return '!';
    return char(answer.pages.at(i / kPageSize)->data[i % kPageSize]);
  }
  static std::map<std::uint64_t, std::string> text(const Change& change) {
    std::map<std::uint64_t, std::string> text;
    for (const Extent& e : change.extents) {
      for (const std::byte b : e.bytes) text[e.offset] += char(b);
    }
    return text;
  }

  // ---- common beginnings
  void know(std::uint64_t size) {  // the kernel has asked for its attributes
    getattr(900);
    const FetchAttr asked = only(sent<FetchAttr>());
    attr(asked.request, header_of(1, size));
    EXPECT_EQ(size_told(900), size);
  }
  void cached(std::uint64_t page, std::uint64_t version, char c) {
    read(901 + page, page);
    data(fetch(), version, filled(c));
    EXPECT_EQ(answers<ReadAnswer>().size(), 1u);
  }

  GroupTable groups;
  Holder holder;
  Time now{};
  HolderEffects out;

 private:
  template <class F>
  void step(F f) {
    out.clear();
    f();
    holder.check_invariants();
  }
};

}  // namespace dspm::dsm::test
