// The page cache of one mount, with the facts of design 2-kernel.md: what a stock kernel does
// between programs and a FUSE filesystem. All calls return at once; what a program would wait for
// comes by callback.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dsm/events.h"
#include "tests/sim/scheduler.h"

namespace dspm::sim {

struct KernelOptions {
  unsigned read_ahead = 1;     // pages of one READ
  unsigned joined_writes = 1;  // contiguous dirty pages of one WRITE
  bool before_6_16 = false;    // a WRITE under way lives in a page of its own: notify passes it
  // Between a write()'s copy and its WRITE; before an answer with attributes is applied.
  std::uint64_t write_delay_us = 40, apply_delay_us = 60;
  unsigned late_percent = 12;           // how many of these answers take that long
  std::uint64_t setattr_delay_us = 30;  // of fs/, between the steps of a SETATTR
  unsigned setattr_error_percent = 0;   // of SETATTR(size): the name store fails behind its commit
  unsigned pin_percent = 0;  // how often a page is found pinned and dirtied by a notify [N10]
};

// Bytes of a write() became visible in this node's page cache (or, O_DIRECT, are about to be sent).
using Copied = std::function<void(std::uint64_t offset, std::uint64_t size)>;

class SimKernel {
 public:
  // A request goes to the daemon; `payload` are the bytes of a WRITE.
  using ToDaemon = std::function<void(dsm::KernelEvent, Bytes payload)>;
  struct Store {
    Ino ino;
    std::uint64_t offset = 0;
    std::byte value{};
    bool beyond = false;  // also beyond the end, in the last page
    // Asked when the page can be written; false: no store after all. Bears the generation that the
    // daemon knew when the page's copy was given.
    std::function<bool(Generation)> may;
  };

  SimKernel(Scheduler& scheduler, NodeId node, KernelOptions options, ToDaemon to_daemon);

  // ---- what programs do
  void lookup(Ino ino, Action done);  // the inode becomes known, with the size of the answer
  void open(Ino ino, bool writable, Action done);
  void close(Ino ino, bool writable, std::function<void(Status)> flushed, Action released);
  // Nullopt: SIGBUS.
  void load(Ino ino, std::uint64_t offset, std::function<void(std::optional<std::byte>)> done);
  void store(Store store, std::function<void(bool stored)> done);
  void write(Ino ino, std::optional<std::uint64_t> offset, std::function<Bytes(std::uint64_t)> make,
             Copied copied, std::function<void(Status)> done);  // no offset: O_APPEND
  void direct_write(Ino ino, std::uint64_t offset, Bytes bytes, Copied copied,
                    std::function<void(Status)> done);
  void direct_read(Ino ino, std::uint64_t offset, std::uint32_t size,
                   std::function<void(Bytes)> done);
  // msync of pages [first, end), or fsync (the whole file).
  void msync(Ino ino, std::uint64_t first, std::uint64_t end, std::function<void(Status)> done);
  void truncate(Ino ino, std::uint64_t size, std::function<void(Status)> done);
  void chmod(Ino ino, Action done);
  void set_times(Ino ino, dsm::TimesRequest request, Action done);
  void stat(Ino ino, std::function<void(std::uint64_t size)> done);

  // ---- what the kernel does by itself
  void write_back(Ino ino, std::uint64_t page);  // flusher; nothing where it is not dirty
  void evict(Ino ino, std::uint64_t page);       // memory pressure; nothing where it is in use
  bool forget(Ino ino);                          // false where the inode is in use

  // ---- what the daemon does
  // `known`: the generation of the object that the daemon knew when it gave the answer.
  void answer(const dsm::KernelAnswer& answer, Generation known);
  // The object of a request that waits for its answer.
  Ino object_of(const dsm::KernelAnswer& answer) const;
  // `known`: false where the kernel has no such inode.
  void run(const dsm::Job& job, std::function<void(bool known)> done);

  // ---- for tests
  bool known(Ino ino) const { return inodes_.contains(ino); }
  std::uint64_t size(Ino ino) const;
  unsigned handles(Ino ino, bool writable) const;
  bool cached(Ino ino, std::uint64_t page) const;
  bool dirty(Ino ino, std::uint64_t page) const;
  bool kept(Ino ino, std::uint64_t page) const;  // pinned: a notify has not dropped it
  void pin(Ino ino, std::uint64_t page);         // the next notify will find it dirtied by a pin
  // A smaller size is being applied: pages beyond are still to be truncated.
  std::optional<std::uint64_t> shrinking(Ino ino) const;
  // The size that a push has raised, if nothing has lowered it since, nor a cut been learnt.
  std::uint64_t raised(Ino ino) const;
  std::size_t cached_pages() const;
  bool idle() const { return pending_.empty(); }
  std::string waiting() const;  // what has not been answered
  std::uint64_t last_unique() const { return last_unique_; }
  // Ghost: what the daemon knows, for pages that a write() makes without a READ.
  std::function<Generation(Ino)> known_generation;
  // Ghost: a page is written back with bytes of a write() whose own WRITE is still to come.
  std::function<void(Ino, std::uint64_t page)> leaking;

 private:
  using Answered = std::function<void(const dsm::KernelAnswer&, Generation)>;
  struct Page {
    enum class State : unsigned char { absent, reading, cached };
    State state = State::absent;
    OwnPage bytes;
    bool dirty = false, writeback = false, locked = false;
    bool mapped = false;  // in a page table: no fault, no look at the size
    bool pinned = false, kept = false;
    bool stored = false;  // by a mapping that is open: a pin may write to it
    int in_hand = 0;      // write()s that have copied and are not answered
    Generation generation;
    std::vector<Action> waiting;
    bool busy() const { return state == State::reading || locked; }
  };
  struct Inode {
    Ino ino;
    std::uint64_t size = 0;
    WallTime ctime;  // shown
    std::uint64_t attr_version = 0;
    bool locked = false;  // i_rwsem
    std::deque<Action> lock_queue;
    bool nowrite = false;  // SETATTR(size) under way
    std::vector<Action> held;
    Action nowrite_ready;
    int writes = 0;  // mapped WRITEs sent and not answered
    int size_unstable = 0;
    std::multiset<std::uint64_t> shrinking;
    std::uint64_t raised = 0;
    Generation raised_under;
    int users = 0;  // calls under way
    unsigned readers = 0, writers = 0;
    std::vector<std::uint64_t> handles[2];  // open to read, to write
    std::map<std::uint64_t, Page> pages;
  };
  struct WriteCall;
  enum class Walk : unsigned char { drop, truncate };

  Inode& inode(Ino ino);
  void send(dsm::KernelEvent event, Answered answered, Bytes payload = {});
  void wake(Page& page);
  void lock(Inode& inode, Action locked);
  void unlock(Inode& inode);
  void fault(Inode& inode, std::uint64_t page);
  void read_done(Inode& inode, std::uint64_t first, std::uint64_t count, std::uint64_t version,
                 const dsm::KernelAnswer& answer, Generation known);
  void start_write_back(Inode& inode, std::uint64_t first, std::uint64_t count);
  void send_write_back(Inode& inode, std::uint64_t first, std::uint64_t count, Bytes bytes);
  void write_back_done(Inode& inode, std::uint64_t first, std::uint64_t count);
  void flush(Inode& inode, std::uint64_t first, std::uint64_t end, Action done);
  void clean(Inode& inode, std::uint64_t page, Action done);
  void write_batch(const std::shared_ptr<WriteCall>& call);
  void send_batch(const std::shared_ptr<WriteCall>& call, std::uint64_t from, std::uint64_t to);
  void batch_done(const std::shared_ptr<WriteCall>& call, std::uint64_t from, std::uint64_t to,
                  Status status);
  void walk(Inode& inode, Walk how, std::uint64_t from, std::uint64_t to, Action done);
  void walk_page(Inode& inode, Walk how, std::uint64_t from, std::uint64_t page, Action next);
  void leave(Inode& inode, Walk how, std::uint64_t from, std::uint64_t page);
  void drop(Inode& inode, std::uint64_t page);
  void grown(Inode& inode, std::uint64_t end);
  void truncate_granted(Inode& inode, std::uint64_t size, std::function<void(Status)> done);
  void set_no_write(Inode& inode, Action ready);
  void end_no_write(Inode& inode);
  void fail_truncate(Inode& inode, const std::function<void(Status)>& done);
  void setattr_attributes(Inode& inode, Action done, bool truncating);
  void setattr_answered(Inode& inode, std::uint64_t size, bool truncating, Action done);
  void instantiate(Ino ino, std::uint64_t version, std::uint64_t size, Action done);
  void apply_getattr(Inode& inode, std::uint64_t version, std::uint64_t size, Action done);

  Scheduler& scheduler_;
  NodeId node_;
  KernelOptions options_;
  ToDaemon to_daemon_;
  std::map<Ino, Inode> inodes_;
  std::map<Ino, WallTime> named_ctimes_;  // highest in an answer
  std::map<Ino, int> lookups_;            // under way: the inode is in use
  struct Pending {
    Ino ino;
    const char* what;
    Answered answered;
  };
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t last_unique_ = 0, last_handle_ = 0;
  std::uint64_t attr_version_ = 0;
};

}  // namespace dspm::sim
