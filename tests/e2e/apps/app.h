// What the programs that run on mounts share: arguments, files, mappings.
// Any failed system call ends the program with one line.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace e2e {

inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kWordsPerPage = kPage / 8;

inline double now() {
  const auto t = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(t).count();
}

// Prints one line at once, also before a process is killed.
[[gnu::format(printf, 1, 2)]] inline void say(const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::vprintf(format, values);
  va_end(values);
  std::putchar('\n');
  std::fflush(stdout);
}

[[noreturn]] inline void die(const std::string& what, int error = errno) {
  say("failed: %s: %s", what.c_str(), std::strerror(error));
  std::_Exit(1);
}

// Positional arguments and `--name number` pairs.
struct Arguments {
  std::vector<std::string> places;
  std::vector<std::pair<std::string, double>> numbers;

  Arguments(int argc, char** argv, std::size_t wanted, const char* usage) {
    bool good = true;
    for (int i = 1; i < argc && good; ++i) {
      const std::string word = argv[i];
      if (!word.starts_with("--")) {
        places.push_back(word);
      } else {
        char* end = nullptr;
        good = i + 1 < argc;
        if (good) numbers.emplace_back(word.substr(2), std::strtod(argv[++i], &end));
        good = good && *end == '\0';
      }
    }
    if (good && places.size() == wanted) return;
    std::fprintf(stderr, "usage: %s\n", usage);
    std::exit(2);
  }
  double number(const std::string& name, double otherwise) const {
    for (const auto& [key, value] : numbers)
      if (key == name) return value;
    return otherwise;
  }
};

inline int open_or_die(const std::string& path, int flags, int mode = 0644) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) die("open " + path);
  return fd;
}

// A new file of `size` bytes, all zero, known everywhere.
inline void make_file(const std::string& path, std::size_t size) {
  ::unlink(path.c_str());
  const int fd = open_or_die(path, O_RDWR | O_CREAT);
  if (::ftruncate(fd, 0) != 0 || ::ftruncate(fd, off_t(size)) != 0) die("ftruncate " + path);
  if (::close(fd) != 0) die("close " + path);
}

inline void write_all(int fd, const void* bytes, std::size_t count, std::size_t offset) {
  const ssize_t n = ::pwrite(fd, bytes, count, off_t(offset));
  if (n != ssize_t(count)) die("pwrite of " + std::to_string(count) + " gave " + std::to_string(n));
}

// A shared mapping of a file's first `size` bytes, as words. Loads and stores really happen.
class Mapping {
 public:
  Mapping(int fd, std::size_t size, int protection = PROT_READ | PROT_WRITE) : size_(size) {
    base_ = ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
    if (base_ == MAP_FAILED) die("mmap");
  }
  ~Mapping() { ::munmap(base_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  volatile std::uint64_t& word(std::size_t page, std::size_t slot) const {
    return words()[page * kWordsPerPage + slot];
  }
  volatile std::uint64_t* words() const { return static_cast<volatile std::uint64_t*>(base_); }
  volatile std::uint8_t* bytes() const { return static_cast<volatile std::uint8_t*>(base_); }
  void advise(int advice) const { ::madvise(base_, size_, advice); }
  void sync() const { sync(0, size_); }
  void sync(std::size_t offset, std::size_t count) const {
    if (::msync(static_cast<char*>(base_) + offset, count, MS_SYNC) != 0) die("msync");
  }

 private:
  void* base_;
  std::size_t size_;
};

}  // namespace e2e
