// [S5] Where the chunks of an object live.
#pragma once

#include <cstdint>
#include <vector>

#include "utils/base/ids.h"

namespace dspm::names {

// Chunk i of an object lives in groups[hash(ino, i) mod n]. `local`: one group.
struct Layout {
  std::uint64_t chunk_size = std::uint64_t{4} << 20;  // bytes; a multiple of the page size
  std::vector<GroupId> groups;
  bool operator==(const Layout&) const = default;
};

// `local`, the default: the creator's own group, so that a commit has one participant and home is
// the data group.
Layout local_layout(GroupId own);

// The group of the chunk that holds byte `offset`; `layout` has at least one group.
GroupId group_of(const Layout& layout, Ino ino, std::uint64_t offset);

// The group of chunk 0, which also keeps the size; 0 where there is none.
GroupId home_of(const Layout& layout, Ino ino);

}  // namespace dspm::names
