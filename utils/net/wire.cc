#include "utils/net/wire.h"

#include "utils/base/check.h"

namespace dspm {

std::string_view to_string(PeerState state) {
  switch (state) {
    case PeerState::connecting:
      return "connecting";
    case PeerState::up:
      return "up";
    case PeerState::silent:
      return "silent";
  }
  DSPM_CHECK(false, int(state));
}

std::string_view to_string(WireEnd why) {
  switch (why) {
    case WireEnd::closed:
      return "closed";
    case WireEnd::unreachable:
      return "unreachable";
    case WireEnd::bad_magic:
      return "bad magic";
    case WireEnd::bad_version:
      return "bad version";
    case WireEnd::bad_type:
      return "bad type";
    case WireEnd::bad_flags:
      return "bad flags";
    case WireEnd::oversize:
      return "oversize";
    case WireEnd::bad_crc:
      return "bad crc";
    case WireEnd::bad_hello:
      return "bad hello";
    case WireEnd::hello_timeout:
      return "hello timeout";
    case WireEnd::too_many:
      return "too many";
    case WireEnd::wrong_cluster:
      return "wrong cluster";
    case WireEnd::wrong_protocol:
      return "wrong protocol";
    case WireEnd::wrong_node:
      return "wrong node";
    case WireEnd::unknown_node:
      return "unknown node";
    case WireEnd::old_incarnation:
      return "old incarnation";
    case WireEnd::wrong_auth:
      return "wrong auth";
    case WireEnd::refused:
      return "refused";
    case WireEnd::replaced:
      return "replaced";
    case WireEnd::queue_full:
      return "queue full";
    case WireEnd::silence:
      return "silence";
    case WireEnd::removed:
      return "removed";
    case WireEnd::count_:
      break;
  }
  DSPM_CHECK(false, int(why));
}

}  // namespace dspm
