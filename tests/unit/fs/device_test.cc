// Needs root and /dev/fuse, and fails without: what is skipped would be missed by nobody.
#include "fs/device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace dspm::fs {
namespace {

class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0u) << "needs root";
    ASSERT_EQ(::access("/dev/fuse", R_OK | W_OK), 0) << "needs /dev/fuse";
    char name[] = "/tmp/dspm-device-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    if (!dir_.empty()) std::filesystem::remove_all(dir_);
  }
  std::string dir_;
};

TEST_F(DeviceTest, MountsTestsTheKernelAndUnmounts) {
  {
    auto device = Device::mount({dir_, {}});
    ASSERT_TRUE(device) << device.error().what;
    const auto second = Device::mount({dir_, {}});
    EXPECT_EQ(second.status(), Status::busy);
    EXPECT_NE(second.error().what.find("busy"), std::string::npos);
  }
  EXPECT_TRUE(Device::mount({dir_, {}})) << "free again";
}

// [2-kernel rule 9]
TEST_F(DeviceTest, BoundsAndRaisesWhatTheKernelDoesByItself) {
  const auto device = Device::mount({dir_, 192});
  ASSERT_TRUE(device) << device.error().what;
  struct statx sx {};
  ASSERT_EQ(::statx(AT_FDCWD, dir_.c_str(), AT_STATX_DONT_SYNC, STATX_INO, &sx), 0);
  const std::string bdi = "/sys/class/bdi/" + std::to_string(sx.stx_dev_major) + ":" +
                          std::to_string(sx.stx_dev_minor) + "/";
  const auto value = [&](const char* key) {
    std::uint64_t number = 0;
    std::ifstream(bdi + key) >> number;
    return number;
  };
  EXPECT_EQ(value("read_ahead_kb"), 192u);
  if (std::filesystem::exists(bdi + "max_bytes")) {  // Linux 6.2
    EXPECT_EQ(value("strict_limit"), 1u);
    EXPECT_LE(value("max_bytes"), std::uint64_t{64} << 20);
  } else {
    EXPECT_EQ(value("max_ratio"), 1u);
  }
}

TEST_F(DeviceTest, SaysWhatIsWrongWithAMountPoint) {
  const auto missing = Device::mount({dir_ + "/none", {}});
  EXPECT_EQ(missing.status(), Status::no_entry);
  ::close(::open((dir_ + "/file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const auto file = Device::mount({dir_ + "/file", {}});
  EXPECT_EQ(file.status(), Status::not_directory);
}

// Whoever asks gets its answer: one stat of the root, answered by hand.
TEST_F(DeviceTest, AnswersARequest) {
  auto device = Device::mount({dir_, {}});
  ASSERT_TRUE(device) << device.error().what;
  std::atomic<bool> done{false};
  struct stat st {};
  std::thread program([&] {
    ::stat(dir_.c_str(), &st);
    done = true;
  });
  while (!done) {
    pollfd ready{(*device)->fd(), POLLIN, 0};
    if (!(*device)->backlog()) ::poll(&ready, 1, 100);
    Request request;
    if ((*device)->read(request) != Device::Got::request) continue;
    if (request.header->opcode != FUSE_GETATTR) {
      (*device)->fail(request.unique(), ENOSYS);
      continue;
    }
    EXPECT_EQ(request.ino(), kRootIno);
    fuse_attr_out out{};
    out.attr.ino = 1;
    out.attr.mode = S_IFDIR | 0751;
    out.attr.nlink = 2;
    (*device)->answer(request.unique(), out);
  }
  program.join();
  EXPECT_EQ(st.st_mode, mode_t(S_IFDIR | 0751));
}

TEST(Request, TextEndsAtItsZeroOrIsNone) {
  const char bytes[] = {'a', 'b', 0, 'c'};
  const Request request{nullptr, std::as_bytes(std::span(bytes))};
  EXPECT_EQ(request.text(0), "ab");
  EXPECT_EQ(request.text(3), "");
  EXPECT_EQ(request.text(9), "");
}

}  // namespace
}  // namespace dspm::fs
