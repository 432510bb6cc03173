// A world in which a scenario is told: each call runs until it is done, unless it begins something.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/sim/world.h"

namespace dspm::sim {

inline constexpr NodeId n1{1}, n2{2}, n3{3};

// Something begun and not waited for.
struct Pending {
  bool done = false;
};
using PendingRef = std::shared_ptr<Pending>;

class Story {
 public:
  // The object's home is n3, its size `size`, every node has it open to write.
  explicit Story(bool trace, std::uint64_t size = 4 * kPageSize, WorldOptions options = calm());
  static WorldOptions calm();

  World& world() { return world_; }
  SimKernel& kernel(NodeId n) { return world_.kernel(n); }
  SimNet& net() { return world_.net(); }
  Ino ino() const { return ino_; }
  void tell(const std::string& what) { scheduler_.say("-- ", what); }

  void open(NodeId n);
  PendingRef begin_open(NodeId n);
  void close(NodeId n);
  std::optional<int> load(NodeId n, std::uint64_t at);  // checked by the oracle; nullopt: SIGBUS
  void expect(NodeId n, std::uint64_t at, int value, const std::string& why);
  int store(NodeId n, std::uint64_t at);  // the new value
  PendingRef begin_store(NodeId n, std::uint64_t at, int* value = nullptr);
  void store_again(NodeId n, std::uint64_t at, int value);  // one that was there before
  void write_back(NodeId n, std::uint64_t page);
  int write(NodeId n, std::uint64_t at, std::uint64_t size);  // value of the first byte
  PendingRef begin_write(NodeId n, std::uint64_t at, std::uint64_t size, int* value = nullptr);
  PendingRef begin_direct_write(NodeId n, std::uint64_t at, std::uint64_t size, int* value);
  void sync(NodeId n);
  PendingRef begin_sync(NodeId n);
  PendingRef begin_load(NodeId n, std::uint64_t at);
  void truncate(NodeId n, std::uint64_t size);
  PendingRef begin_truncate(NodeId n, std::uint64_t size);
  PendingRef begin_chmod(NodeId n);
  std::uint64_t stat(NodeId n);
  PendingRef begin_stat(NodeId n);

  void run(std::uint64_t us);            // what happens in this time
  void wait(const PendingRef& pending);  // it must come
  void fail(const std::string& what) { scheduler_.fail(what); }
  std::string end();  // the verdict

 private:
  Bytes values(NodeId n, std::uint64_t at, std::uint64_t size, int* first);
  Copied copied(NodeId n, std::uint64_t at, const std::shared_ptr<Bytes>& bytes);

  Scheduler scheduler_;
  World world_;
  Ino ino_;
};

}  // namespace dspm::sim
