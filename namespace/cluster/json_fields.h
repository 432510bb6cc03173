// Strict, bounded reading of a JSON object: exactly the fields that are asked for, each of its type
// and in its range. The first thing that is wrong makes it fail for good; finish() says what.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "utils/base/result.h"

namespace dspm::names {

class JsonFields {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 20;  // of the whole record

  JsonFields(const std::string& text, std::string kind) : kind_(std::move(kind)) {
    if (text.size() > kMaxBytes) {
      fail("too long");
      return;
    }
    json_ = nlohmann::json::parse(text, nullptr, false);
    if (!json_.is_object()) fail("not a JSON object");
  }

  template <std::unsigned_integral Integer>
  void get(const char* name, Integer& out) {
    if (const auto* value = find(name)) number(name, *value, out);
  }
  void get(const char* name, std::string& out, std::size_t limit) {
    if (const auto* value = find(name)) text(name, *value, out, limit);
  }
  template <std::unsigned_integral Integer>
  void get(const char* name, std::vector<Integer>& out, std::size_t limit) {
    for (const auto& value : list(name, limit)) number(name, value, out.emplace_back());
  }
  void get(const char* name, std::vector<std::string>& out, std::size_t limit,
           std::size_t text_limit) {
    for (const auto& value : list(name, limit)) text(name, value, out.emplace_back(), text_limit);
  }

  bool good() const { return what_.empty(); }
  void fail(const std::string& what) {
    if (good()) what_ = what;
  }
  // `value`, or corrupt with what is wrong.
  template <class T>
  Result<T> finish(T value) {
    if (good() && json_.size() != asked_) fail("fields that nobody knows");
    if (!good()) return Error{Status::corrupt, kind_ + ": " + what_};
    return value;
  }

 private:
  using Json = nlohmann::json;

  const Json* find(const char* name) {
    ++asked_;
    if (!good()) return nullptr;
    const auto it = json_.find(name);
    if (it == json_.end()) fail(std::string(name) + " is missing");
    return it == json_.end() ? nullptr : &*it;
  }
  Json::array_t list(const char* name, std::size_t limit) {
    const Json* value = find(name);
    if (value == nullptr) return {};
    const auto* items = value->get_ptr<const Json::array_t*>();
    if (items == nullptr || items->size() > limit) {
      fail(std::string(name) + " is no list, or too long");
      return {};
    }
    return *items;
  }
  template <class Integer>
  void number(const char* name, const Json& value, Integer& out) {
    const auto* n = value.get_ptr<const Json::number_unsigned_t*>();
    if (n == nullptr || *n > std::numeric_limits<Integer>::max()) {
      return fail(std::string(name) + " is no number in its range");
    }
    out = Integer(*n);
  }
  void text(const char* name, const Json& value, std::string& out, std::size_t limit) {
    const auto* s = value.get_ptr<const Json::string_t*>();
    if (s == nullptr || s->size() > limit) {
      return fail(std::string(name) + " is no text, or too long");
    }
    out = *s;
  }

  std::string kind_, what_;
  Json json_;
  std::size_t asked_ = 0;
};

}  // namespace dspm::names
