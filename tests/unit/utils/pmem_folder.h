// A folder for the files of a test's pool, beside the test program or on tmpfs; goes with it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "utils/base/check.h"

namespace dspm::test {

class PmemFolder {
 public:
  // `parent` empty: where the test program is, which is on the build's disk.
  explicit PmemFolder(const std::filesystem::path& parent = {}) {
    const auto exe = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    path_ = (parent.empty() ? exe : parent) / "pmem.XXXXXX";
    DSPM_CHECK(::mkdtemp(path_.data()) != nullptr, path_);
  }
  ~PmemFolder() { std::filesystem::remove_all(path_); }
  PmemFolder(const PmemFolder&) = delete;
  PmemFolder& operator=(const PmemFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace dspm::test
