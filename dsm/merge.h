// Byte differences and byte merges of one page: pure functions and their laws
// (TreadMarks: Keleher et al., "Distributed Shared Memory on Standard Workstations", 1994).
#pragma once

#include <bitset>
#include <cstddef>
#include <span>

#include "utils/base/page.h"

namespace dspm::dsm {

using ByteMask = std::bitset<kPageSize>;  // bit i = byte i of the page

// Which bytes of `now`, that lie at `at` in the page, differ from `before` (the whole page).
// Law: apply(before, difference(now, before), now) == now.
ByteMask difference(ByteSpan now, std::size_t at, const PageBytes& before);

// into[i] := from[i] for each i of mask.
void apply(PageBytes& into, const ByteMask& mask, const PageBytes& from);

// Clears all bits at or beyond `from`.
void clear_from(ByteMask& mask, std::size_t from);

// Sets the bits [first, first + count).
void set_range(ByteMask& mask, std::size_t first, std::size_t count);

// Calls `f(first, count)` for each run of set bits, ascending.
template <class F>
void for_each_run(const ByteMask& mask, F f) {
  for (std::size_t i = mask._Find_first(); i < kPageSize;) {
    std::size_t end = i + 1;
    while (end < kPageSize && mask[end]) ++end;
    f(i, end - i);
    i = end < kPageSize ? mask._Find_next(end) : kPageSize;
  }
}

}  // namespace dspm::dsm
