#include "fs/errno.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace dspm::fs {
namespace {

TEST(Errno, EveryFailureHasOne) {
  EXPECT_EQ(errno_of(Status::ok), 0);
  for (int s = 1; s <= int(Status::io_error); ++s) EXPECT_GT(errno_of(Status(s)), 0) << s;
}

TEST(Errno, GoneIsNeverNoEntry) {  // 10-names: the kernel looks the name up again
  EXPECT_EQ(errno_of(Status::gone), ESTALE);
  EXPECT_EQ(errno_of(Status::no_entry), ENOENT);
}

}  // namespace
}  // namespace dspm::fs
