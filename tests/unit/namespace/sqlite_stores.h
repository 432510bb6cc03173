// Two nodes' stores on one SQLite file in a directory of its own, and the loop that both post to.
#pragma once

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "namespace/cluster/sqlite_cluster_store.h"
#include "namespace/tree/inode.h"
#include "namespace/tree/sqlite_name_store.h"
#include "utils/base/clock.h"

namespace dspm::test {

// What a daemon's loop is to its stores. Posted to by any thread, run by one.
class TestLoop {
 public:
  names::Post post() {
    return [this](std::function<void()> call) {
      std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
      wake_.notify_one();
    };
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      std::function<void()> call;
      {
        std::unique_lock lock(mutex_);
        const auto next =
            std::min(end, std::chrono::steady_clock::now() + std::chrono::milliseconds(5));
        wake_.wait_until(lock, next, [&] { return !calls_.empty(); });
        if (!calls_.empty()) {
          call = std::move(calls_.front());
          calls_.pop_front();
        }
      }
      if (call) {
        call();
      } else if (std::chrono::steady_clock::now() >= end) {
        return done();
      }
    }
    return true;
  }
  void drop() {
    std::lock_guard lock(mutex_);
    calls_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> calls_;
};

class TempDir {
 public:
  TempDir() {
    std::string text = (std::filesystem::temp_directory_path() / "dspm-names-XXXXXX").string();
    path_ = ::mkdtemp(text.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

struct SqliteStores {
  SqliteStores() {
    for (int i = 0; i < 2; ++i) {
      clusters[i] = *names::open_sqlite_cluster_store(file());
      name_stores[i] = *names::open_sqlite_name_store(file(), loop.post(), names::apply_delta);
    }
  }
  std::string file() const { return dir.file("store.db"); }
  names::NameStore& names(int node) { return *name_stores[node]; }
  names::ClusterStore& cluster(int node) { return *clusters[node]; }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    return loop.run_until(done, limit);
  }
  void drop_posted() { loop.drop(); }
  Time now() const { return clock.now(); }
  // A process (this program, at one test of its own) that begins a session and dies by SIGKILL; its
  // revision is read back here.
  names::StoreRev dead_session(const std::string& key, const std::string& value) {
    const std::string session = "DSPM_TEST_SESSION=" + file() + ' ' + key + ' ' + value;
    std::string self = "/proc/self/exe", one = "--gtest_filter=ChildProcess.DISABLED_Dies",
                also = "--gtest_also_run_disabled_tests", variable = session;
    char* arguments[] = {self.data(), one.data(), also.data(), nullptr};
    char* environment[] = {variable.data(), nullptr};
    pid_t child = 0;
    int status = 0;
    EXPECT_EQ(::posix_spawn(&child, self.c_str(), nullptr, nullptr, arguments, environment), 0);
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    return (*clusters[0]->get(key))->modified;
  }

  TempDir dir;
  SystemClock clock;
  TestLoop loop;
  std::unique_ptr<names::ClusterStore> clusters[2];
  std::unique_ptr<names::NameStore> name_stores[2];
};

}  // namespace dspm::test
