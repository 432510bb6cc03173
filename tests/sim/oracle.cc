// Stores, publications, loads.
#include "tests/sim/oracle.h"

#include <algorithm>

#include "utils/base/check.h"
#include "utils/base/page.h"

namespace dspm::sim {

namespace {
constexpr std::size_t kNone = ~std::size_t{0};
constexpr unsigned kValues = 250;
}  // namespace

void Oracle::add_object(Ino ino, std::uint64_t pages, const std::vector<std::uint32_t>& offsets) {
  Object& o = objects_[ino];
  o.least.resize(nodes_ + 1);
  o.grown.resize(nodes_ + 1);
  o.grown_most.resize(nodes_ + 1);
  o.writing.resize(nodes_ + 1);
  o.writing_under.resize(nodes_ + 1);
  o.truncating.resize(nodes_ + 1);
  for (std::uint64_t p = 0; p < pages; p++)
    for (const std::uint32_t at : offsets) o.places[p * kPageSize + at].own.resize(nodes_ + 1);
}

bool Oracle::watched(Ino ino, std::uint64_t offset) const {
  return objects_.at(ino).places.contains(offset);
}

std::vector<std::uint64_t> Oracle::places(Ino ino, std::uint64_t from, std::uint64_t to) const {
  const auto& all = objects_.at(ino).places;
  std::vector<std::uint64_t> out;
  for (auto it = all.lower_bound(from); it != all.end() && it->first < to; ++it)
    out.push_back(it->first);
  return out;
}

std::vector<std::uint64_t> Oracle::all_places(Ino ino) const { return places(ino, 0, kNone); }

std::optional<std::byte> Oracle::new_value(NodeId node, Ino ino, std::uint64_t offset) {
  Place& p = place(ino, offset);
  if (p.values.size() > kValues) return std::nullopt;
  p.values.push_back(Value{.node = node});
  return std::byte(p.values.size() - 1);
}

void Oracle::flaw(NodeId node, Ino ino, std::uint64_t offset, const std::string& what) {
  std::ostringstream out;
  out << "n" << node << " o" << ino << " byte " << offset << " (p" << offset / kPageSize
      << "): " << what;
  scheduler_.fail(out.str());
}

std::size_t Oracle::index_of(const Place& place, std::uint8_t value) {
  for (std::size_t i = place.published.size(); i-- > 0;)
    if (place.published[i].value == value) return i;
  return kNone;
}

// ---- stores
void Oracle::stored(NodeId node, Ino ino, std::uint64_t offset, std::byte value,
                    Generation generation, std::uint64_t told) {
  Place& p = place(ino, offset);
  Value& v = p.values.at(std::uint8_t(value));
  v.order = ++order_;
  v.is_stored = true;
  v.settled = objects_.at(ino).sizes.size();
  v.generation = v.latest = generation;
  const auto cut = own_cut(node, ino);  // it may take what is stored while it runs
  const Object& o = objects_.at(ino);
  const bool beyond = offset >= std::max(o.size, o.grown[node.value]);
  v.excused = beyond || offset >= told || (cut && offset >= *cut);
  p.own[node.value].newest = std::uint8_t(value);
}

bool Oracle::write_in_hand(NodeId node, Ino ino, std::uint64_t offset) const {
  return objects_.at(ino).places.at(offset).own[node.value].in_hand;
}

void Oracle::copied(NodeId node, Ino ino, std::uint64_t offset, std::byte value,
                    Generation generation, std::uint64_t shrinking) {
  Object& o = objects_.at(ino);
  if (o.writing[node.value] == 0) o.writing_under[node.value] = generation;
  o.writing[node.value] = std::max(o.writing[node.value], offset + 1);
  const auto it = o.places.find(offset);
  if (it == o.places.end()) return;
  Place& p = it->second;
  Value& v = p.values.at(std::uint8_t(value));
  v.order = ++order_;
  v.is_stored = true;
  v.generation = generation;
  v.latest = Generation(~std::uint64_t{0});
  v.excused = offset >= shrinking;
  Own& own = p.own[node.value];
  own.before = std::exchange(own.newest, std::uint8_t(value));
  own.in_hand = true;
}

void Oracle::leaked(NodeId node, Ino ino, std::uint64_t from, std::uint64_t to) {
  for (const std::uint64_t offset : places(ino, from, to)) {
    Place& p = place(ino, offset);
    const Own& own = p.own[node.value];
    if (own.in_hand) p.values[own.newest].leaked = true;
  }
}

void Oracle::write_returned(NodeId node, Ino ino, std::uint64_t from, std::uint64_t to) {
  Object& o = objects_.at(ino);
  o.writing[node.value] = 0;
  o.grown_most[node.value] = std::max(o.grown_most[node.value], to);
  bool cut = false;  // it may have taken place before a truncation that its node had not heard of
  for (const Cut& c : o.cuts) cut |= c.at < to && c.generation > o.writing_under[node.value];
  if (to > o.size && !cut) o.grown[node.value] = std::max(o.grown[node.value], to);
  for (auto it = o.places.lower_bound(from); it != o.places.end() && it->first < to; ++it) {
    Place& p = it->second;
    Own& own = p.own[node.value];
    own.in_hand = false;
    p.values[own.newest].settled = o.sizes.size();
    p.values[own.newest].latest = o.generation;
    settle(node, p);
  }
}

// A node never goes back: once its newest store has been published, it shows nothing older.
void Oracle::settle(NodeId node, Place& place) {
  Own& own = place.own[node.value];
  if (own.newest == 0 || own.in_hand) return;
  const std::size_t at = index_of(place, own.newest);
  if (at != kNone) own.least = std::max(own.least, at);
}

// ---- publications
void Oracle::published(const commit::Record& record, bool sets_size) {
  commits++;
  const auto it = objects_.find(record.ino);
  if (it == objects_.end()) return;
  Object& o = it->second;
  if (!o.records.empty() &&
      record.lsn <= o.records.rbegin()->first) {  // once more, after a restart
    const auto known = o.records.find(record.lsn);
    if (known == o.records.end() || known->second != record.id)
      flaw(record.id.node, record.ino, 0, "another record takes the place of a decided one");
    return;
  }
  o.records[record.lsn] = record.id;
  const std::uint64_t old = o.size;
  const bool moved = record.header.version == record.lsn;
  scheduler_.say("published ", record.lsn, " of ", record.id, " o", record.ino, " extents ",
                 record.extents.size(), moved ? " size " + std::to_string(record.header.size) : "",
                 record.cut ? " cut " + std::to_string(*record.cut) : "");
  scheduler_.mix(record.lsn.value);
  if (!record.cut) o.size = record.header.size;
  o.sizes.push_back({o.size, record.id.node, std::min(old, o.size), o.size != old || sets_size});
  for (const Extent& e : record.extents) {
    if (e.end() > o.size && !record.cut)
      flaw(record.id.node, record.ino, e.end(), "committed beyond the size");
    for (auto p = o.places.lower_bound(e.offset); p != o.places.end() && p->first < e.end(); ++p)
      publish_byte(record, p->first, std::uint8_t(e.bytes[p->first - e.offset]));
  }
  if (!record.cut) return;
  if (*record.cut != record.header.size)
    flaw(record.id.node, record.ino, *record.cut, "cut where nothing was truncated");
  o.size = o.sizes.back().size = *record.cut;
  publish_cut(o, *record.cut);
}

void Oracle::publish_byte(const commit::Record& record, std::uint64_t offset, std::uint8_t value) {
  const NodeId node = record.id.node;
  const Ino ino = record.ino;
  Object& o = objects_.at(ino);
  Place& p = o.places.at(offset);
  const std::string shown = " " + std::to_string(value);
  if (value == 0 || value >= p.values.size() || p.values[value].node != node ||
      !p.values[value].is_stored)
    return flaw(node, ino, offset, "a byte was committed that its node never stored:" + shown);
  const Value& v = p.values[value];
  const std::size_t before = index_of(p, value);
  // A write() in hand may be seen early, by the write-back of its page, and again when it is done.
  if (before != kNone && (!v.leaked || p.published[before].commit == record.id))
    flaw(node, ino, offset, "a byte was committed twice:" + shown);
  for (const Cut& c : o.cuts)
    if (c.at <= offset && v.settled <= c.record && c.generation > v.generation)
      flaw(node, ino, offset, "stored before a truncation, published after it:" + shown);
  p.published.push_back({value, o.sizes.size() - 1, {}, record.id});
  settle(node, p);
}

void Oracle::publish_cut(Object& object, std::uint64_t at) {
  object.generation = Generation(object.generation.value + 1);
  object.cuts.push_back({at, object.sizes.size() - 1, object.generation});
  for (auto& grown : object.grown) grown = std::min(grown, at);
  for (auto p = object.places.lower_bound(at); p != object.places.end(); ++p)
    p->second.published.push_back({0, object.sizes.size() - 1, object.generation, {}});
}

// A truncation that this value's copy had not heard of took it, or may yet.
bool Oracle::voidable(const Object& object, std::uint64_t offset, const Value& value) const {
  if (value.excused) return true;
  for (const Cut& c : object.cuts)
    if (c.at <= offset && c.generation > value.generation) return true;
  return false;
}

// ---- loads
Oracle::Look Oracle::look(NodeId node, Ino ino, std::uint64_t offset) const {
  const Object& o = objects_.at(ino);
  const Place& p = o.places.at(offset);
  const Own& own = p.own[node.value];
  return {.node = node,
          .ino = ino,
          .offset = offset,
          .least = std::max(own.least, p.acknowledged),
          .least_size = std::max(o.least[node.value], o.acknowledged),
          .grown = o.grown[node.value],
          .own = own.newest,
          .in_hand = own.in_hand,
          .truncating = own_cut(node, ino)};
}

void Oracle::loaded(const Look& look, std::optional<std::byte> value, bool through_mapping) {
  loads++;
  scheduler_.mix(value ? std::uint64_t(*value) : 999);
  scheduler_.say("n", look.node, " loads o", look.ino, " ", look.offset, ": ",
                 value ? std::to_string(int(*value)) : "SIGBUS");
  if (!value) return check_sigbus(look);
  Place& p = place(look.ino, look.offset);
  const auto v = std::uint8_t(*value);
  const auto later = own_cut(look.node, look.ino);
  const auto cut = look.truncating && later ? std::min(look.truncating, later)
                   : look.truncating        ? look.truncating
                                            : later;
  if (v == 0 && cut && look.offset >= *cut) return;  // its own truncation in hand [1.8]
  const std::size_t at = index_of(p, v);
  if (through_mapping) check_own(look, p, v);
  if (at == kNone) {
    const Own& own = p.own[look.node.value];
    const bool mine = v < p.values.size() && p.values[v].node == look.node &&
                      p.values[v].is_stored &&
                      (v == own.newest || v == look.own || v == own.before);
    if (!mine)
      return flaw(look.node, look.ino, look.offset, "value from nowhere: " + std::to_string(v));
    for (std::size_t i = 1; i <= look.least && i < p.published.size(); i++)
      if (p.published[i].cut > p.values[v].latest)
        return flaw(look.node, look.ino, look.offset,
                    "own byte from before a truncation: " + std::to_string(v));
    return;
  }
  const bool staged_again = v != 0 && p.values[v].leaked && p.values[v].node == look.node &&
                            v == p.own[look.node.value].newest;
  if (at < look.least && !staged_again)
    return flaw(look.node, look.ino, look.offset,
                "stale: " + std::to_string(v) + ", publication " + std::to_string(at) + " of " +
                    std::to_string(p.published.size() - 1) + ", may show no older than " +
                    std::to_string(look.least));
  Own& own = p.own[look.node.value];
  if (through_mapping && !look.in_hand && !own.in_hand && v != 0)
    own.least = std::max(own.least, at);
}

// Its own uncommitted store is seen by its node.
void Oracle::check_own(const Look& look, const Place& place, std::uint8_t value) {
  const Own& own = place.own[look.node.value];
  if (look.own == 0 || look.own != own.newest || look.own == value) return;
  if (look.in_hand || own.in_hand || index_of(place, look.own) != kNone) return;
  if (voidable(objects_.at(look.ino), look.offset, place.values[look.own])) return;
  flaw(look.node, look.ino, look.offset,
       "own uncommitted store not seen: " + std::to_string(value) + " instead of " +
           std::to_string(look.own));
}

void Oracle::check_sigbus(const Look& look) {
  const Object& o = objects_.at(look.ino);
  if (look.truncating || own_cut(look.node, look.ino)) return;
  if (o.writing[look.node.value] > look.offset) return;  // raises the size when it returns
  const std::uint64_t page = look.offset / kPageSize * kPageSize;
  for (std::size_t i = look.least_size; i < o.sizes.size(); i++)
    if (o.sizes[i].size <= page && std::min(look.grown, o.grown[look.node.value]) <= page) return;
  flaw(look.node, look.ino, look.offset,
       "SIGBUS below a size that was acknowledged (record " + std::to_string(look.least_size) +
           " of " + std::to_string(o.sizes.size() - 1) + ", own growth " +
           std::to_string(look.grown) + ")");
}

}  // namespace dspm::sim
