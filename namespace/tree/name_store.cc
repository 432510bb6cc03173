#include "namespace/tree/name_store.h"

#include <algorithm>

namespace dspm::names {

const Entry* Snapshot::find(const Key& key) const {
  const auto it = std::find_if(entries.begin(), entries.end(),
                               [&](const Entry& entry) { return entry.key == key; });
  return it == entries.end() ? nullptr : &*it;
}

}  // namespace dspm::names
