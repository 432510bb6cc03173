// How an operation went. One enum for the whole project; fs/errno turns it into errno.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "utils/base/check.h"

namespace dspm {

enum class Status : unsigned char {
  ok,
  no_entry,  // the name is not there
  gone,      // the object is not there any more: asked by inode (ESTALE)
  exists,    // the name is taken
  not_directory,
  is_directory,
  not_empty,
  invalid,    // the request makes no sense
  too_long,   // a name, a path, a value
  too_large,  // beyond a limit of the format
  no_space,
  denied,
  read_only,  // below min_replicas
  unsupported,
  busy,
  timed_out,    // nothing came within the bound
  unavailable,  // surely not applied; may be tried again
  unknown,      // perhaps applied: look before you try again (EIO)
  corrupt,      // bytes that fail their check
  foreign,      // of another cluster, version or node
  closed,
  io_error,
};

std::string_view to_string(Status);

// A status and, for people, what exactly: "port 7001 is taken by another program".
struct Error {
  Status status = Status::ok;
  std::string what;
};

// Either a value or an Error whose status is not ok.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}     // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {  // NOLINT(google-explicit-constructor)
    DSPM_CHECK(this->error().status != Status::ok);
  }
  Result(Status status, std::string what = {}) : Result(Error{status, std::move(what)}) {}

  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  T& value() & {
    DSPM_CHECK(*this, error().what);
    return std::get<T>(state_);
  }
  const T& value() const& {
    DSPM_CHECK(*this, error().what);
    return std::get<T>(state_);
  }
  T&& value() && {
    DSPM_CHECK(*this, error().what);
    return std::get<T>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<Error>(state_); }
  Status status() const { return *this ? Status::ok : error().status; }

 private:
  std::variant<T, Error> state_;
};

struct Done {};
// Success without a value, or an Error.
using Outcome = Result<Done>;

}  // namespace dspm
