// Syncs, truncations, sizes, lost nodes.
#include <algorithm>

#include "tests/sim/oracle.h"
#include "utils/base/page.h"

namespace dspm::sim {

namespace {
constexpr std::size_t kNotFound = ~std::size_t{0};
}

Oracle::Sync Oracle::sync_begins(NodeId node, Ino ino, std::uint64_t from, std::uint64_t to) const {
  const Object& o = objects_.at(ino);
  Sync sync{
      .node = node, .ino = ino, .own = {}, .sizes = o.sizes.size(), .grown = o.grown[node.value]};
  for (auto it = o.places.lower_bound(from); it != o.places.end() && it->first < to; ++it) {
    const Own& own = it->second.own[node.value];
    if (own.newest != 0 && !own.in_hand) sync.own[it->first] = own.newest;
  }
  return sync;
}

// Everything stored before it began is published, or something newer of this node, or a truncation
// took it; whoever looks from now on sees it.
void Oracle::sync_returned(const Sync& sync) {
  Object& o = objects_.at(sync.ino);
  for (const auto& [offset, value] : sync.own) {
    Place& p = o.places.at(offset);
    const Value& v = p.values[value];
    // A truncation took it: what this node stored there since is no business of this sync.
    if (index_of(p, value) == kNotFound && voidable(o, offset, v)) continue;
    std::size_t best = kNotFound;
    for (std::size_t i = 0; i < p.published.size() && best == kNotFound; i++) {
      const std::uint8_t other = p.published[i].value;
      if (other != 0 && p.values[other].node == sync.node && p.values[other].order >= v.order)
        best = i;
    }
    if (best != kNotFound)
      p.acknowledged = std::max(p.acknowledged, best);
    else if (!voidable(o, offset, v) && v.node == sync.node)
      flaw(sync.node, sync.ino, offset,
           "sync returned 0, a byte stored before it is not committed: " + std::to_string(value));
  }
  // Of the sizes: what this node's records before the sync, or the first that bears the growth,
  // made.
  for (std::size_t i = o.sizes.size(); i-- > o.acknowledged;) {
    if (o.sizes[i].node != sync.node || i >= sync.sizes || !o.sizes[i].changed) continue;
    o.acknowledged = i;
    break;
  }
  if (sync.grown == 0 || o.grown[sync.node.value] < sync.grown) return;  // cut meanwhile
  for (const Cut& c : o.cuts)                                            // or cut, and grown again
    if (c.record >= sync.sizes && c.at < sync.grown) return;
  std::size_t i = o.acknowledged;
  while (i < o.sizes.size() && o.sizes[i].size < sync.grown) i++;
  if (i == o.sizes.size()) return flaw(sync.node, sync.ino, sync.grown, "growth not committed");
  o.acknowledged = i;
  if (o.grown[sync.node.value] == sync.grown) o.grown[sync.node.value] = 0;
}

void Oracle::truncate_begins(NodeId node, Ino ino, std::uint64_t size) {
  objects_.at(ino).truncating[node.value].insert(size);
  scheduler_.say("n", node, " o", ino, " truncates to ", size);
}

std::optional<std::uint64_t> Oracle::own_cut(NodeId node, Ino ino) const {
  const auto& sizes = objects_.at(ino).truncating[node.value];
  return sizes.empty() ? std::nullopt : std::optional(*sizes.begin());
}

void Oracle::truncate_failed(NodeId node, Ino ino, std::uint64_t size) {
  auto& in_hand = objects_.at(ino).truncating[node.value];
  if (const auto one = in_hand.find(size); one != in_hand.end()) in_hand.erase(one);
}

void Oracle::truncate_returned(NodeId node, Ino ino, std::uint64_t size, std::uint64_t began,
                               bool everywhere) {
  Object& o = objects_.at(ino);
  std::size_t at = o.sizes.size();
  while (at-- > began)
    if (o.sizes[at].node == node && o.sizes[at].size == size) break;
  if (at < began || at >= o.sizes.size())
    return flaw(node, ino, size, "a truncation returned before it was decided");
  auto& in_hand = o.truncating[node.value];
  if (const auto one = in_hand.find(size); one != in_hand.end()) in_hand.erase(one);
  scheduler_.say("n", node, " o", ino, " truncated to ", size, everywhere ? ", everywhere" : "");
  o.least[node.value] = std::max(o.least[node.value], at);
  if (everywhere) o.acknowledged = std::max(o.acknowledged, at);
  o.grown_most[node.value] = std::min(o.grown_most[node.value], size);
  for (auto p = o.places.lower_bound(size); p != o.places.end(); ++p) {
    for (std::size_t i = 1; i < p->second.published.size(); i++) {
      const Publication& cut = p->second.published[i];
      if (!cut.cut || cut.record > at) continue;
      Own& own = p->second.own[node.value];
      own.least = std::max(own.least, i);
      if (everywhere) p->second.acknowledged = std::max(p->second.acknowledged, i);
    }
  }
}

std::uint64_t Oracle::foreign_records(NodeId node, Ino ino) const {
  const Object& o = objects_.at(ino);
  std::uint64_t n = 0;
  for (const Size& s : o.sizes) n += s.node != node;
  return n;
}

Oracle::SizeLook Oracle::size_look(NodeId node, Ino ino) const {
  const Object& o = objects_.at(ino);
  return {.node = node,
          .ino = ino,
          .least = std::max(o.least[node.value], o.acknowledged),
          .grown = o.grown[node.value],
          .most = o.grown_most[node.value]};
}

// A size once acknowledged, or later, or what this node's write()s made of it. From now on this
// node sees the bytes below it.
void Oracle::size_named(const SizeLook& look, std::uint64_t size) {
  Object& o = objects_.at(look.ino);
  scheduler_.say("n", look.node, " stat o", look.ino, ": size ", size);
  scheduler_.mix(size);
  const std::uint64_t now = o.grown[look.node.value];
  const std::uint64_t own =
      std::max({look.most, o.grown_most[look.node.value], o.writing[look.node.value]});
  bool found = size <= own && size >= std::min(look.grown, now);
  std::size_t first = kNotFound;
  for (std::size_t i = look.least; i < o.sizes.size(); i++) {
    found |= o.sizes[i].size == size || (o.sizes[i].size < size && size <= own);
    if (o.sizes[i].size == size && first == kNotFound) first = i;
  }
  if (!found && own_cut(look.node, look.ino)) return;  // tells its own when it returns
  if (!found) return flaw(look.node, look.ino, size, "stat named a size that never was");
  if (first == kNotFound || size <= own) return;
  for (auto p = o.places.lower_bound(o.sizes[first].from); p != o.places.end() && p->first < size;
       ++p) {
    Own& mine = p->second.own[look.node.value];
    for (std::size_t i = mine.least; i < p->second.published.size(); i++)
      if (p->second.published[i].record == first) mine.least = i;
  }
}

void Oracle::node_lost(NodeId node) {
  for (auto& [ino, o] : objects_) {
    o.grown[node.value] = o.grown_most[node.value] = o.writing[node.value] = 0;
    o.truncating[node.value].clear();
    for (auto& [offset, p] : o.places) p.own[node.value] = Own{.least = p.own[node.value].least};
  }
}

std::byte Oracle::final_value(Ino ino, std::uint64_t offset) const {
  return std::byte(objects_.at(ino).places.at(offset).published.back().value);
}

}  // namespace dspm::sim
