#include "utils/base/result.h"

namespace dspm {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::no_entry:
      return "no such name";
    case Status::gone:
      return "object is gone";
    case Status::exists:
      return "name exists";
    case Status::not_directory:
      return "not a directory";
    case Status::is_directory:
      return "is a directory";
    case Status::not_empty:
      return "directory not empty";
    case Status::invalid:
      return "invalid";
    case Status::too_long:
      return "too long";
    case Status::too_large:
      return "too large";
    case Status::no_space:
      return "no space";
    case Status::denied:
      return "denied";
    case Status::read_only:
      return "read-only";
    case Status::unsupported:
      return "not supported";
    case Status::busy:
      return "busy";
    case Status::timed_out:
      return "timed out";
    case Status::unavailable:
      return "unavailable";
    case Status::unknown:
      return "outcome unknown";
    case Status::corrupt:
      return "corrupt";
    case Status::foreign:
      return "foreign";
    case Status::closed:
      return "closed";
    case Status::io_error:
      return "input/output error";
  }
  return "?";
}

}  // namespace dspm
