// Random programs on the nodes of a world: threads that load, store, write, sync, truncate, look.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "tests/sim/world.h"

namespace dspm::sim {

struct ProgramOptions {
  unsigned threads = 2;  // of each node
  unsigned operations = 40;
  std::uint64_t think_us = 60, long_think_us = 600;
  // Weights of the operations.
  unsigned load = 30, store = 30, write = 8, whole = 6, direct = 0, sync = 12, range_sync = 3;
  unsigned truncate = 0, truncate_up = 0, append = 0, extend = 0, chmod = 0, stat = 2, reopen = 3,
           flusher = 5, evict = 5, pin = 0;
  bool some_read_only = false;
  std::vector<unsigned> object_weights, page_weights;
  std::uint64_t first_size = 0;  // of each object, made before the programs begin
};

class Programs {
 public:
  Programs(World& world, const ProgramOptions& options);
  void start();
  // The node's programs died with it; others begin.
  void restarted(NodeId node);
  bool begun() const { return begun_; }
  bool finished() const { return running_ == 0; }
  std::uint64_t writes = 0, syncs = 0, truncates = 0;

 private:
  struct Thread {
    NodeId node;
    std::uint64_t life = 0;
    unsigned left = 0;
    std::map<Ino, bool> open;  // writable?
    std::size_t running = 0;   // itself, and closes it waits for
  };
  using Handle = std::shared_ptr<Thread>;
  using Operation = void (Programs::*)(const Handle&, Ino);

  void prepare(std::size_t object);
  void begin();
  void spawn(NodeId node);
  void next(const Handle& thread);
  void go(const Handle& thread);
  void finish(const Handle& thread);
  Action then(const Handle& thread);
  void more(const Handle& thread, int count);
  void failed(const std::string& what);
  bool gone(const Handle& t) const { return world_.life(t->node) != t->life; }
  std::uint64_t choose(const std::vector<unsigned>& weights);
  std::uint64_t a_page();
  std::uint64_t a_place(Ino ino);

  void load(const Handle& t, Ino ino);
  void store(const Handle& t, Ino ino);
  void write_some(const Handle& t, Ino ino);
  void write_pages(const Handle& t, Ino ino);
  void direct(const Handle& t, Ino ino);
  void sync(const Handle& t, Ino ino);
  void range_sync(const Handle& t, Ino ino);
  void truncate(const Handle& t, Ino ino);
  void truncate_up(const Handle& t, Ino ino);
  void set_size(const Handle& t, Ino ino, std::uint64_t size);
  void append(const Handle& t, Ino ino);
  void extend(const Handle& t, Ino ino);
  void chmod(const Handle& t, Ino ino);
  void stat(const Handle& t, Ino ino);
  void reopen(const Handle& t, Ino ino);
  void flusher(const Handle& t, Ino ino);
  void evict(const Handle& t, Ino ino);
  void pin(const Handle& t, Ino ino);

  // write() with new values at every place of the range; `done` also where nothing was written.
  void write(const Handle& t, Ino ino, std::optional<std::uint64_t> offset, std::uint64_t size,
             bool direct);
  Bytes fill(NodeId node, Ino ino, std::uint64_t from, std::uint64_t size);
  void sync_range(const Handle& t, Ino ino, std::uint64_t first, std::uint64_t end);
  void read_direct(const Handle& t, Ino ino);

  World& world_;
  Scheduler& scheduler_;
  Oracle& oracle_;
  ProgramOptions options_;
  std::vector<std::pair<unsigned, Operation>> operations_;
  unsigned total_weight_ = 0;
  std::size_t running_ = 0;
  bool begun_ = false;
  std::vector<Handle> threads_;
};

}  // namespace dspm::sim
