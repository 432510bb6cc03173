// Bytes that begin at a page's boundary, as mapped memory does.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace dspm::sim {

template <class T>
struct PageAligned {
  using value_type = T;
  static constexpr std::align_val_t kAlign{4096};
  PageAligned() = default;
  template <class U>
  PageAligned(const PageAligned<U>&) {}  // NOLINT(google-explicit-constructor)
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlign)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kAlign); }
  bool operator==(const PageAligned&) const { return true; }
};
using AlignedBytes = std::vector<std::byte, PageAligned<std::byte>>;

}  // namespace dspm::sim
