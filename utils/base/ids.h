// Strong identifiers of the protocol. Each is one integer with a name, so that no signature takes
// two bare numbers. All are values: copyable, ordered, hashable, printable.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>

namespace dspm {

// One integer of type Raw that only mixes with its own kind.
template <class Tag, class Raw>
struct Id {
  using Value = Raw;
  Raw value = 0;

  constexpr Id() = default;
  constexpr explicit Id(Raw v) : value(v) {}
  constexpr auto operator<=>(const Id&) const = default;
  constexpr explicit operator bool() const { return value != 0; }
  friend std::ostream& operator<<(std::ostream& out, const Id& id) { return out << +id.value; }
};

using NodeId = Id<struct NodeTag, std::uint32_t>;    // 1..N; 0 = none
using GroupId = Id<struct GroupTag, std::uint32_t>;  // replica group, `pg/<g>`; 0 = none
using Ino = Id<struct InoTag, std::uint64_t>;        // object; never reused; 1 = root directory
using PageNo = Id<struct PageTag, std::uint64_t>;    // 4 KiB page of an object
// One life of a node's session: the store's revision of `node/<id>`; 0 = none.
using Incarnation = Id<struct IncarnationTag, std::uint64_t>;
using Epoch = Id<struct EpochTag, std::uint32_t>;  // membership of a group; 24 bits are used
// How often an object was cut (truncated downwards).
using Generation = Id<struct GenerationTag, std::uint64_t>;
using Ticket = Id<struct TicketTag, std::uint64_t>;  // one invalidator job of this node
using Unique = Id<struct UniqueTag, std::uint64_t>;  // one FUSE request of this node's kernel

// Place of a record in its group's order: epoch:24 | sequence:40. No epoch is resumed, so none is
// used twice [P6]. The version of a page is the Lsn of the record that wrote it; 0 = never written.
struct Lsn {
  std::uint64_t value = 0;
  static constexpr unsigned kSequenceBits = 40;

  constexpr Lsn() = default;
  constexpr explicit Lsn(std::uint64_t v) : value(v) {}
  constexpr Lsn(Epoch epoch, std::uint64_t sequence)
      : value((std::uint64_t{epoch.value} << kSequenceBits) | sequence) {}
  constexpr Epoch epoch() const { return Epoch(std::uint32_t(value >> kSequenceBits)); }
  constexpr std::uint64_t sequence() const {
    return value & ((std::uint64_t{1} << kSequenceBits) - 1);
  }
  constexpr auto operator<=>(const Lsn&) const = default;
  constexpr explicit operator bool() const { return value != 0; }
  friend std::ostream& operator<<(std::ostream& out, Lsn l) {
    return out << l.epoch() << '.' << l.sequence();
  }
};
using Version = Lsn;

// A commit of one node, the same through all resends. `attempt` counts refusals of it: two attempts
// of one commit never both take effect (3-protocol C1, C7).
struct CommitId {
  NodeId node;
  Incarnation incarnation;
  std::uint64_t sequence = 0;  // from 1; 0 = no commit

  auto operator<=>(const CommitId&) const = default;
  explicit operator bool() const { return sequence != 0; }
  friend std::ostream& operator<<(std::ostream& out, const CommitId& id) {
    return out << 'n' << id.node << '/' << id.incarnation << '#' << id.sequence;
  }
};

inline constexpr Ino kRootIno{1};

}  // namespace dspm

template <class Tag, class Raw>
struct std::hash<dspm::Id<Tag, Raw>> {
  std::size_t operator()(const dspm::Id<Tag, Raw>& id) const noexcept {
    return std::hash<Raw>{}(id.value);
  }
};
template <>
struct std::hash<dspm::CommitId> {
  std::size_t operator()(const dspm::CommitId& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.sequence * 0x9E3779B97F4A7C15ull ^
                                      id.incarnation.value << 8 ^ id.node.value);
  }
};
