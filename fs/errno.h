// Status → errno: the whole table, and the only place where the two meet.
#pragma once

#include "utils/base/result.h"

namespace dspm::fs {

// The errno that a program sees; 0 for Status::ok.
int errno_of(Status status);

}  // namespace dspm::fs
