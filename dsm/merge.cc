#include "dsm/merge.h"

#include <algorithm>
#include <cstring>

namespace dspm::dsm {

ByteMask difference(ByteSpan now, std::size_t at, const PageBytes& before) {
  ByteMask mask;
  const std::byte* old = before.data.data() + at;
  constexpr std::size_t kStep = 64;
  for (std::size_t i = 0; i < now.size(); i += kStep) {
    const std::size_t n = std::min(kStep, now.size() - i);
    if (std::memcmp(now.data() + i, old + i, n) == 0) continue;
    for (std::size_t k = i; k < i + n; ++k) {
      if (now[k] != old[k]) mask.set(at + k);
    }
  }
  return mask;
}

void apply(PageBytes& into, const ByteMask& mask, const PageBytes& from) {
  for_each_run(mask, [&](std::size_t first, std::size_t count) {
    std::memcpy(into.data.data() + first, from.data.data() + first, count);
  });
}

void clear_from(ByteMask& mask, std::size_t from) {
  if (from == 0) {
    mask.reset();
  } else if (from < kPageSize) {
    mask &= ByteMask{}.set() >> (kPageSize - from);
  }
}

void set_range(ByteMask& mask, std::size_t first, std::size_t count) {
  if (count == 0) return;
  mask |= (ByteMask{}.set() >> (kPageSize - count)) << first;
}

}  // namespace dspm::dsm
