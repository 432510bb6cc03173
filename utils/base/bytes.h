// Bounded reading and writing of little-endian bytes: frames, records, keys. A Reader never reads
// past its end: the first short read makes it fail for good, and what it returned meanwhile is
// zero.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace dspm {

using Bytes = std::vector<std::byte>;
using ByteSpan = std::span<const std::byte>;

static_assert(std::endian::native == std::endian::little, "layouts are little endian");

class Writer {
 public:
  template <class Integer>
  requires std::is_integral_v<Integer>
  void put(Integer v) {
    const auto* p = reinterpret_cast<const std::byte*>(&v);
    out_.insert(out_.end(), p, p + sizeof v);
  }
  template <class Strong>
  requires requires(Strong s) { s.value; }
  void put(Strong s) { put(s.value); }
  void raw(ByteSpan b) { out_.insert(out_.end(), b.begin(), b.end()); }
  // 32-bit length, then the bytes.
  void blob(ByteSpan b) {
    put(std::uint32_t(b.size()));
    raw(b);
  }
  void text(std::string_view s) { blob(std::as_bytes(std::span(s.data(), s.size()))); }

  std::size_t size() const { return out_.size(); }
  const Bytes& bytes() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

class Reader {
 public:
  explicit Reader(ByteSpan in) : in_(in) {}

  template <class Integer>
  requires std::is_integral_v<Integer>
  void get(Integer& v) {
    v = 0;
    if (!need(sizeof v)) return;
    std::memcpy(&v, in_.data(), sizeof v);
    in_ = in_.subspan(sizeof v);
  }
  template <class Strong>
  requires requires(Strong s) { s.value; }
  void get(Strong& s) { get(s.value); }
  template <class T>
  T get() {
    T v{};
    get(v);
    return v;
  }
  ByteSpan raw(std::size_t n) {
    if (!need(n)) return {};
    const ByteSpan out = in_.first(n);
    in_ = in_.subspan(n);
    return out;
  }
  // Counterpart of Writer::blob; longer than `limit` is a failure.
  ByteSpan blob(std::size_t limit) {
    const auto n = get<std::uint32_t>();
    if (n > limit) fail();
    return raw(ok_ ? n : 0);
  }
  std::string text(std::size_t limit) {
    const ByteSpan b = blob(limit);
    return {reinterpret_cast<const char*>(b.data()), b.size()};
  }
  // A count of items that each take at least `item_bytes`: so large a count cannot be true fails,
  // before anybody allocates for it.
  std::uint32_t count(std::size_t item_bytes) {
    const auto n = get<std::uint32_t>();
    if (std::size_t{n} * item_bytes > in_.size()) fail();
    return ok_ ? n : 0;
  }
  void fail() {
    ok_ = false;
    in_ = {};
  }
  bool ok() const { return ok_; }
  // All read, nothing failed, nothing left over.
  bool finished() const { return ok_ && in_.empty(); }
  std::size_t left() const { return in_.size(); }

 private:
  bool need(std::size_t n) {
    if (in_.size() < n) fail();
    return ok_;
  }
  ByteSpan in_;
  bool ok_ = true;
};

}  // namespace dspm
