// One message of each kind with every field set, for tests of the codec and for the fuzz corpus.
#pragma once

#include <vector>

#include "fs/messages.h"

namespace dspm::fs::test {

inline Header a_header() {
  return {Lsn(Epoch(2), 9), 8000, Generation(3), {{Generation(2), 100}, {Generation(3), 5000}}};
}
inline commit::Settlement a_settlement() {
  return {Lsn(Epoch(2), 11),
          {{PageNo(1), Lsn(Epoch(2), 4), true}, {PageNo(9), Lsn(), false}},
          a_header()};
}
inline commit::Commit a_commit() {
  commit::Commit m{GroupId(1), Epoch(2), {NodeId(3), Incarnation(77), 12}, 2, 10, true, {}};
  m.change.ino = Ino(42);
  m.change.generation = Generation(3);
  m.change.extents = {{5, Bytes(3, std::byte{0xAB})}, {4096, Bytes(4096, std::byte{0x11})}};
  m.change.grow_to = 8192;
  m.change.set_size = 6000;
  m.change.touch = WallTime{123456789};
  m.change.times = ExplicitTimes{WallTime{-1}, std::nullopt, WallTime{7}};
  m.change.unread_copies = {{PageNo(1), 1}, {PageNo(7), 3}};
  return m;
}

// Two records, the second behind the first.
inline std::vector<commit::RecordRef> some_records() {
  auto view = std::make_shared<commit::Record>();
  view->kind = commit::RecordKind::view;
  view->previous = Lsn(Epoch(1), 7);
  view->lsn = Lsn(Epoch(2), 8);
  auto write = std::make_shared<commit::Record>();
  write->previous = view->lsn;
  write->lsn = Lsn(Epoch(2), 9);
  write->id = {NodeId(3), Incarnation(77), 12};
  write->ino = Ino(42);
  write->extents = {{5, Bytes(3, std::byte{0xAB})}};
  write->cut = 100;
  write->header = a_header();
  return {view, write};
}

inline std::vector<Message> every_message() {
  const GroupId g{1};
  const Epoch e{2};
  const Ino ino{42};
  const CommitId id{NodeId(3), Incarnation(77), 12};
  const OwnPage page = new_zero_page();
  for (std::size_t i = 0; i < kPageSize; ++i) page->data[i] = std::byte(i * 7);
  const std::vector<KernelCopy> copies{{ino, PageNo(4), Lsn(e, 3)}, {ino, PageNo(5), {}}};
  const Times times{WallTime{1}, WallTime{2}, std::nullopt, 3, 4};
  return {
      dsm::Fetch{g, e, ino, 5, {PageNo(6), 7}, id},
      dsm::Data{g,
                e,
                ino,
                5,
                id,
                true,
                Generation(3),
                {{PageNo(6), Lsn(e, 4), page}, {PageNo(7), Lsn(), zero_page()}}},
      dsm::FetchAttr{g, e, ino, 5},
      dsm::Attr{g, e, ino, 5, a_header(), times},
      dsm::Inval{g, e, ino, Lsn(e, 4), {{PageNo(0), 3}, {PageNo(9), 1}}, a_header()},
      dsm::Invalidated{g, e, ino, Lsn(e, 4), {{PageNo(0), 3}}, true},
      a_commit(),
      commit::Decided{g, e, ino, id, a_settlement()},
      commit::Done{g, e, ino, id, a_settlement()},
      commit::Refused{g, e, ino, id, 2, Status::gone, a_header()},
      commit::Collect{g, e},
      commit::Position{
          g, e, Lsn(Epoch(1), 5), {{Lsn(Epoch(1), 6), 2}, {Lsn(e, 8), 1}}, copies, {9, 8}},
      commit::Pull{g, e, Lsn(Epoch(1), 5)},
      commit::Pulled{g, e, some_records(), true},
      commit::Append{g, e, Lsn(Epoch(1), 7), Lsn(Epoch(1), 6), some_records(), true},
      commit::AppendAck{g, e, Lsn(Epoch(1), 7), Lsn(e, 9), Lsn(Epoch(1), 2), copies},
      commit::Drop{g, e},
      commit::Dropped{g, e},
  };
}

inline Bytes flat(const Message& message) {
  Encoded encoded = encode(message);
  Bytes bytes = std::move(encoded.head);
  for (const PageRef& page : encoded.pages) {
    bytes.insert(bytes.end(), page->data.begin(), page->data.end());
  }
  return bytes;
}

}  // namespace dspm::fs::test
