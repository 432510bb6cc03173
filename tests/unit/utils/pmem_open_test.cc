// Making and opening a pool's files: what is refused, what is made anew, which kind it is; and what
// becomes of a file pool whose disk refuses a write.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/unit/utils/pmem_folder.h"
#include "utils/pmem/open_pmem.h"

namespace dspm::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSize = std::uint64_t{1} << 20;

Bytes filled(std::size_t size, int value) { return Bytes(size, std::byte(value)); }

class PmemFiles : public ::testing::TestWithParam<PmemKind> {
 protected:
  PmemFiles() {
    options.pool = folder.file("pool");
    options.pool_size = kSize;
    options.log_size = kSize;
    options.kind = GetParam();
  }
  bool file() const { return GetParam() == PmemKind::file; }
  // As who formats: superblocks last.
  void format() {
    auto made = create_pmem(options);
    ASSERT_TRUE(made) << made.error().what;
    (*made)->append(0, filled(64, 1));
    (*made)->write(4096, filled(64, 2));
    ASSERT_TRUE((*made)->settle());
  }
  static struct stat look(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
    return st;
  }

  PmemFolder folder;
  PmemOptions options;
};
INSTANTIATE_TEST_SUITE_P(BothKinds, PmemFiles,
                         ::testing::Values(PmemKind::byte_addressable, PmemKind::file),
                         [](const auto& info) {
                           return info.param == PmemKind::file ? "File" : "Memory";
                         });

TEST_P(PmemFiles, NothingIsFormattedOver) {
  format();
  const auto again = create_pmem(options);
  EXPECT_EQ(again.status(), Status::exists);
  EXPECT_NE(again.error().what.find(options.pool), std::string::npos);
  auto open = open_pmem(options);
  ASSERT_TRUE(open) << open.error().what;
  Bytes seen(64);
  ASSERT_TRUE((*open)->read(PmemRegion::pool, 4096, seen));
  EXPECT_EQ(seen, filled(64, 2));
}

TEST_P(PmemFiles, WhatACrashWhileFormattingLeftIsMadeAnew) {
  {
    auto made = create_pmem(options);
    ASSERT_TRUE(made) << made.error().what;
    (*made)->append(0, filled(64, 1));
    (*made)->write(8192, filled(64, 2));  // headers, but no superblock yet
    ASSERT_TRUE((*made)->settle());
  }
  options.log_size = 2 * kSize;
  auto made = create_pmem(options);
  ASSERT_TRUE(made) << made.error().what;
  Bytes pool(64, std::byte(9)), log(64, std::byte(9));
  ASSERT_TRUE((*made)->read(PmemRegion::pool, 8192, pool));
  ASSERT_TRUE((*made)->read(PmemRegion::log, 0, log));
  EXPECT_EQ(pool, Bytes(64));
  EXPECT_EQ(log, Bytes(64));
  EXPECT_EQ((*made)->size(PmemRegion::log), 2 * kSize);
}

TEST_P(PmemFiles, SomebodyElsesFileIsLeftAlone) {
  std::ofstream(options.pool) << "a letter";
  EXPECT_EQ(create_pmem(options).status(), Status::exists);
  EXPECT_EQ(look(options.pool).st_size, 8);
  EXPECT_EQ(open_pmem(options).status(), Status::foreign);
}

TEST_P(PmemFiles, OnlyTheOwnerMayLookIn) {
  const mode_t old = ::umask(0);
  format();
  ::umask(old);
  EXPECT_EQ(look(options.pool).st_mode & 07777, 0600u);
  if (file()) {
    EXPECT_EQ(look(options.pool + ".log").st_mode & 07777, 0600u);
  }
}

TEST_P(PmemFiles, TheLogHasItsSpaceThePoolIsSparse_P10) {
  auto made = create_pmem(options);
  ASSERT_TRUE(made) << made.error().what;
  const auto used = [&] {
    const std::uint64_t log = file() ? std::uint64_t(look(options.pool + ".log").st_blocks) : 0;
    return 512 * (log + std::uint64_t(look(options.pool).st_blocks));
  };
  EXPECT_GE(used(), kSize);
  EXPECT_LT(used(), kSize + kSize / 4);
  ASSERT_TRUE((*made)->secure(kSize / 2));
  EXPECT_GE(used(), kSize + kSize / 2);
  EXPECT_LT(used(), kSize + 3 * kSize / 4);
}

TEST_P(PmemFiles, OtherSizesAreRefused) {
  format();
  options.log_size = kSize / 2;
  const auto smaller = open_pmem(options);
  EXPECT_EQ(smaller.status(), Status::foreign);
  const std::uint64_t wanted = file() ? kSize / 2 : kSize + kSize / 2;
  EXPECT_NE(smaller.error().what.find(std::to_string(wanted)), std::string::npos)
      << smaller.error().what;
  for (const std::uint64_t bad : {std::uint64_t{0}, kSize + 1, ~std::uint64_t{0} - 4095}) {
    options.log_size = bad;
    EXPECT_EQ(open_pmem(options).status(), Status::invalid) << bad;
    EXPECT_EQ(create_pmem(options).status(), Status::invalid) << bad;
  }
}

TEST_P(PmemFiles, WhatIsMissingIsNamed) {
  const auto none = open_pmem(options);
  EXPECT_EQ(none.status(), Status::no_entry);
  EXPECT_NE(none.error().what.find(options.pool), std::string::npos);
  options.pool = folder.file("nowhere/pool");
  EXPECT_EQ(create_pmem(options).status(), Status::no_entry);
  options.pool = "/dev/zero";
  EXPECT_EQ(create_pmem(options).status(), Status::invalid);
  EXPECT_EQ(open_pmem(options).status(), Status::invalid);
}

TEST_P(PmemFiles, TheStartCanBeReadWithoutOpening) {
  format();
  auto open = open_pmem(options);
  ASSERT_TRUE(open);
  Bytes start(8192);
  ASSERT_TRUE(read_pool_start(options.pool, start));
  EXPECT_EQ(Bytes(start.begin() + 4096, start.begin() + 4160), filled(64, 2));
  EXPECT_EQ(read_pool_start(folder.file("none"), start).status(), Status::no_entry);
  std::ofstream(folder.file("short")) << "x";
  EXPECT_EQ(read_pool_start(folder.file("short"), start).status(), Status::io_error);
}

class PmemFileKind : public PmemFiles {};
INSTANTIATE_TEST_SUITE_P(File, PmemFileKind, ::testing::Values(PmemKind::file));

TEST_P(PmemFileKind, ALogWithoutItsPoolIsNotFormattedOver) {
  format();
  ASSERT_EQ(::unlink(options.pool.c_str()), 0);
  for (int i = 0; i < 2; ++i) {
    const auto made = create_pmem(options);
    EXPECT_EQ(made.status(), Status::exists);
    EXPECT_NE(made.error().what.find("pool.log"), std::string::npos) << made.error().what;
  }
}

// No power fails in a test: whether the kernel was asked to write through can only be looked up.
TEST_P(PmemFileKind, TheLogIsOpenForWritingThroughThePoolIsNot_P2) {
  auto made = create_pmem(options);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(made) << made.error().what;
    int seen = 0;
    for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string path = std::filesystem::read_symlink(fd.path(), gone);
      if (gone || !path.starts_with(options.pool)) continue;
      const int flags = ::fcntl(std::stoi(fd.path().filename()), F_GETFL);
      EXPECT_EQ((flags & O_DSYNC) != 0, path == options.pool + ".log") << path;
      ++seen;
    }
    EXPECT_EQ(seen, 2);
    made->reset();
    made = open_pmem(options);
  }
}

TEST_P(PmemFileKind, TwoPoolsCannotShareALog) {
  options.log = folder.file("log");
  auto first = create_pmem(options);
  ASSERT_TRUE(first);
  options.pool = folder.file("other");
  const auto second = create_pmem(options);
  EXPECT_EQ(second.status(), Status::busy);
  EXPECT_NE(second.error().what.find(options.log), std::string::npos);
}

// A disk that refuses what lies beyond `bytes` of any file; as long as it lives.
class FileLimit {
 public:
  explicit FileLimit(std::uint64_t bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit old_{};
  sighandler_t old_handler_ = SIG_DFL;
};

bool wait_until(const std::function<bool()>& done) {
  for (int i = 0; i < 100'000 && !done(); ++i) std::this_thread::sleep_for(100us);
  return done();
}

TEST_P(PmemFileKind, WhatIsBeingWrittenIsRead_P3) {
  options.log_size = 16 * kSize;
  auto made = create_pmem(options);
  ASSERT_TRUE(made) << made.error().what;
  Pmem& pmem = **made;
  const Bytes end = filled(64, 5);
  pmem.append(0, filled(8 * kSize, 5));
  const std::uint64_t fence = pmem.fence();
  while (pmem.fences_done() < fence && pmem.health()) {
    Bytes seen(64);
    ASSERT_TRUE(pmem.read(PmemRegion::log, 8 * kSize - 64, seen));
    ASSERT_EQ(seen, end);
    pmem.poll();
  }
  EXPECT_TRUE(pmem.health());
}

TEST_P(PmemFileKind, TheFirstFailureIsForGood) {
  for (const PmemRegion broken : {PmemRegion::log, PmemRegion::pool}) {
    SCOPED_TRACE(int(broken));
    options.pool = folder.file("pool" + std::to_string(int(broken)));
    auto made = create_pmem(options);
    ASSERT_TRUE(made) << made.error().what;
    Pmem& pmem = **made;
    std::atomic<int> calls = 0;
    pmem.on_progress([&] { ++calls; });
    pmem.append(0, filled(64, 1));
    const std::uint64_t good = pmem.fence();
    ASSERT_TRUE(wait_until([&] { return pmem.poll(), pmem.fences_done() == good; }));
    const int before = calls;
    {
      const FileLimit limit(kSize / 2);
      if (broken == PmemRegion::log) {
        pmem.append(kSize - 4096, filled(4096, 2));
        pmem.fence();
      } else {
        pmem.write(kSize - 4096, filled(4096, 2));
        pmem.sync();
      }
      ASSERT_TRUE(wait_until([&] { return calls > before; }));
      ASSERT_TRUE(wait_until([&] { return pmem.poll(), !pmem.health(); }));
    }
    EXPECT_EQ(pmem.health().status(), Status::io_error);
    const std::string what = pmem.health().error().what;
    EXPECT_NE(what.find(options.pool), std::string::npos) << what;
    // The disk is well again; what comes now follows a hole.
    pmem.append(64, filled(64, 3));
    pmem.write(0, filled(64, 3));
    pmem.fence();
    pmem.sync();
    EXPECT_EQ(pmem.settle().status(), Status::io_error);
    EXPECT_EQ(pmem.fences_done(), good);
    EXPECT_EQ(pmem.syncs_done(), 0u);
    EXPECT_EQ(pmem.health().error().what, what);
    Bytes out(64);
    EXPECT_EQ(pmem.read(broken, 0, out).status(), Status::io_error);
  }
}

TEST(PmemKinds, KnownByTheFileSystem_P2) {
  PmemFolder here;
  PmemFolder shm("/dev/shm");
  for (PmemFolder* folder : {&here, &shm}) {
    PmemOptions options;
    options.pool = folder->file("pool");
    options.pool_size = options.log_size = kSize;
    struct statfs fs {};
    ASSERT_EQ(::statfs(folder->file("").c_str(), &fs), 0);
    const auto kind = fs.f_type == TMPFS_MAGIC ? PmemKind::byte_addressable : PmemKind::file;
    auto made = create_pmem(options);
    ASSERT_TRUE(made) << made.error().what;
    EXPECT_EQ((*made)->kind(), kind);
    made->reset();
    auto open = open_pmem(options);
    ASSERT_TRUE(open) << open.error().what;
    EXPECT_EQ((*open)->kind(), kind);
  }
}

}  // namespace
}  // namespace dspm::test
