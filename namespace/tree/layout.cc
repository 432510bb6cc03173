#include "namespace/tree/layout.h"

#include "utils/base/check.h"

namespace dspm::names {
namespace {

// Finalizer of SplitMix64 (Steele, Lea, Flood 2014). Part of the format: it never changes.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace

Layout local_layout(GroupId own) {
  Layout layout;
  layout.groups = {own};
  return layout;
}

GroupId group_of(const Layout& layout, Ino ino, std::uint64_t offset) {
  DSPM_CHECK(!layout.groups.empty() && layout.chunk_size != 0, ino);
  if (layout.groups.size() == 1) return layout.groups.front();
  const std::uint64_t chunk = offset / layout.chunk_size;
  return layout.groups[mix(mix(ino.value) + chunk) % layout.groups.size()];
}

GroupId home_of(const Layout& layout, Ino ino) {
  return layout.groups.empty() ? GroupId() : group_of(layout, ino, 0);
}

}  // namespace dspm::names
