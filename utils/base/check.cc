#include "utils/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace dspm {

void check_failed(const char* file, int line, const char* expression, const std::string& values) {
  std::fprintf(stderr, "dspm: invariant broken at %s:%d: %s%s%s\n", file, line, expression,
               values.empty() ? "" : " with", values.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace dspm
