// What programs may see: a regular register for each watched byte (a "place") and for each object's
// size (contract, promises 1, 3, 4). Every value stored at a place is stored there once, so that a
// value read or committed tells where it came from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "commit/record.h"
#include "tests/sim/scheduler.h"

namespace dspm::sim {

inline constexpr std::byte kFiller{255};  // what write() puts beside the places

class Oracle {
 public:
  Oracle(Scheduler& scheduler, unsigned nodes) : scheduler_(scheduler), nodes_(nodes) {}
  void add_object(Ino ino, std::uint64_t pages, const std::vector<std::uint32_t>& offsets);

  // ---- places
  bool watched(Ino ino, std::uint64_t offset) const;
  // The watched offsets of [from, to), ascending.
  std::vector<std::uint64_t> places(Ino ino, std::uint64_t from, std::uint64_t to) const;
  // A value nobody has stored here yet; none left: nullopt.
  std::optional<std::byte> new_value(NodeId node, Ino ino, std::uint64_t offset);

  // ---- stores
  // A mapped store took place in a copy given under `generation`; `told`: the size the kernel had
  // been told: a store beyond it may vanish.
  void stored(NodeId node, Ino ino, std::uint64_t offset, std::byte value, Generation generation,
              std::uint64_t told);
  bool write_in_hand(NodeId node, Ino ino, std::uint64_t offset) const;
  // write(): its bytes are in the cache; from now to `write_returned` loads may see them or not.
  void copied(NodeId node, Ino ino, std::uint64_t offset, std::byte value, Generation generation,
              std::uint64_t shrinking);
  void leaked(NodeId node, Ino ino, std::uint64_t from, std::uint64_t to);
  void write_returned(NodeId node, Ino ino, std::uint64_t from, std::uint64_t to);

  // ---- loads
  struct Look {
    NodeId node;
    Ino ino;
    std::uint64_t offset = 0;
    std::size_t least = 0, least_size = 0;
    std::uint64_t grown = 0;
    std::uint8_t own = 0;
    bool in_hand = false;
    std::optional<std::uint64_t> truncating;
  };
  Look look(NodeId node, Ino ino, std::uint64_t offset) const;
  void loaded(const Look& look, std::optional<std::byte> value, bool through_mapping = true);

  // ---- syncs, truncations, sizes
  struct Sync {
    NodeId node;
    Ino ino;
    std::map<std::uint64_t, std::uint8_t> own;  // by place: newest value, uncommitted
    std::size_t sizes = 0;
    std::uint64_t grown = 0;
  };
  Sync sync_begins(NodeId node, Ino ino, std::uint64_t from, std::uint64_t to) const;
  void sync_returned(const Sync& sync);
  void truncate_begins(NodeId node, Ino ino, std::uint64_t size);
  // With an error: whether it was done is not said.
  void truncate_failed(NodeId node, Ino ino, std::uint64_t size);
  // `everywhere`: answered when every node had learnt of it, not at its decision [1.14].
  void truncate_returned(NodeId node, Ino ino, std::uint64_t size, std::uint64_t began,
                         bool everywhere);
  std::uint64_t records(Ino ino) const { return objects_.at(ino).sizes.size(); }
  std::uint64_t foreign_records(NodeId node, Ino ino) const;
  struct SizeLook {
    NodeId node;
    Ino ino;
    std::size_t least = 0;
    std::uint64_t grown = 0, most = 0;
  };
  SizeLook size_look(NodeId node, Ino ino) const;
  void size_named(const SizeLook& look, std::uint64_t size);

  // ---- what the group does
  void published(const commit::Record& record, bool sets_size);
  // The home of these objects came back without its bytes; `node` without what it had staged.
  void node_lost(NodeId node);

  // ---- the end: what every node must show
  std::byte final_value(Ino ino, std::uint64_t offset) const;
  std::uint64_t final_size(Ino ino) const { return objects_.at(ino).size; }
  std::vector<std::uint64_t> all_places(Ino ino) const;

  std::uint64_t loads = 0, commits = 0;

 private:
  struct Value {
    NodeId node;
    std::uint64_t order = 0;                    // of all stores of the run
    std::uint64_t settled = ~std::uint64_t{0};  // record count when it was stored, write() returned
    Generation generation;  // its node knew at least this one when it was stored
    Generation latest;      // and at most this one
    bool is_stored = false, excused = false;
    bool leaked = false;  // of a write(): its page was written back before its own WRITE
  };
  struct Own {  // one node's view of a place
    std::uint8_t newest = 0, before = 0;
    bool in_hand = false;
    std::size_t least = 0;  // index of the oldest publication it may still show
  };
  struct Publication {
    std::uint8_t value = 0;
    std::uint64_t record = 0;
    Generation cut;  // not 0: a truncation cleared it
    CommitId commit;
  };
  struct Place {
    std::vector<Publication> published{{}};
    std::vector<Value> values{Value{}};  // by value
    std::vector<Own> own;
    std::size_t acknowledged = 0;
  };
  struct Size {
    std::uint64_t size = 0;
    NodeId node;
    std::uint64_t from = 0;  // it grew from there
    bool changed = false;
  };
  struct Cut {
    std::uint64_t at = 0, record = 0;
    Generation generation;
  };
  struct Object {
    std::map<std::uint64_t, Place> places;
    std::vector<Size> sizes{{}};  // after each record
    std::vector<Cut> cuts;
    std::uint64_t size = 0;
    Generation generation;
    std::size_t acknowledged = 0;
    std::map<Lsn, CommitId> records;        // published so far
    std::vector<std::size_t> least;         // by node: index into sizes
    std::vector<std::uint64_t> grown;       // by node: end of what its write()s put, uncommitted
    std::vector<std::uint64_t> grown_most;  // the same, where it may not have heard of a cut
    std::vector<std::uint64_t> writing;     // by node: end of a write() in hand
    std::vector<std::multiset<std::uint64_t>> truncating;  // by node: SETATTR(size)s in hand
    std::vector<Generation> writing_under;                 // known to the node when it began
  };

  Place& place(Ino ino, std::uint64_t offset) { return objects_.at(ino).places.at(offset); }
  // Lowest size that a SETATTR(size) in hand on the node asks for.
  std::optional<std::uint64_t> own_cut(NodeId node, Ino ino) const;
  static std::size_t index_of(const Place& place, std::uint8_t value);
  void publish_byte(const commit::Record& record, std::uint64_t offset, std::uint8_t value);
  void publish_cut(Object& object, std::uint64_t at);
  void settle(NodeId node, Place& place);
  bool voidable(const Object& object, std::uint64_t offset, const Value& value) const;
  void check_own(const Look& look, const Place& place, std::uint8_t value);
  void check_sigbus(const Look& look);
  void flaw(NodeId node, Ino ino, std::uint64_t offset, const std::string& what);

  Scheduler& scheduler_;
  unsigned nodes_;
  std::map<Ino, Object> objects_;
  std::uint64_t order_ = 0;
};

}  // namespace dspm::sim
