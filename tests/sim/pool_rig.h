// One node's pool under groups that only commit, with a plain model of what must be there. It
// crashes at any step of the memory below it, comes back, and says what is wrong.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "commit/frames.h"
#include "commit/order.h"
#include "commit/pool.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_media.h"
#include "tests/sim/sim_pmem.h"

namespace dspm::sim {

// Thrown out of whatever the pool was doing.
struct Crash {};
// What must not be; ends a test.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct PoolRigOptions {
  PmemKind kind = PmemKind::byte_addressable;
  std::uint64_t seed = 1;
  std::uint64_t frames = 120;
  std::uint64_t ring = 24 * 1024;  // bytes of log
  std::uint32_t fragment = 512;
  std::uint32_t groups = 2;
  std::uint64_t objects = 3, pages = 5;  // of each group, of each object
};

class PoolRig {
 public:
  explicit PoolRig(const PoolRigOptions& options);
  ~PoolRig();

  // Each may throw Crash once it is armed, and Violation.
  void create();
  // Opens and compares with the model. False: there is no pool (creation was interrupted).
  bool open();
  void work(unsigned turns);
  // Opens, compares, lets go again, without any effect on what comes later: an error's text, or ""
  // where all is as before. Violation: something else.
  std::string look();
  // Everything durable and folded, no checkpoint under way, the log ends with a Mark.
  void quiesce(bool with_checkpoint = false);
  // The pool as it is now is what the model says.
  void compare();

  // The process ends; with `power`, what was not durable is lost as `keep` says.
  void crash(bool power, Keep keep, std::uint64_t seed);
  // Crash before the n-th step from now on; 0: never.
  void arm(std::uint64_t n);
  std::uint64_t steps() const { return steps_; }  // since the last arm()

  SimMedia& media() { return media_; }
  commit::Pool* pool() { return pool_.get(); }
  const commit::PoolIdentity& identity() const { return identity_; }
  // How often the log went round, how many checkpoints: that the test tests something.
  std::uint64_t laps() const;
  std::uint64_t checkpoints() const { return checkpoints_; }

 private:
  struct Group;
  struct Pin {
    PageRef page;
    PageBytes bytes;
  };
  void start_pmem();
  Result<commit::Pool::Opened> open_pool();
  void recognise(commit::Pool::Opened& opened);
  void check(const Group& group) const;
  void replay(Group& group);
  void begin_epoch(Group& group);
  void turn();
  void commit(Group& group);
  Change random_change(Group& group, Ino ino, const commit::Ordered& now);
  void append(Group& group, commit::RecordRef record);
  void end_turn();
  void fold(Group& group, Lsn upto);
  static commit::Folded fold_in_model(Group& group, const commit::Record& record);
  void checkpoint();
  void pins();
  void compare(const Group& group) const;
  Group& random_group();
  void let_time_pass();

  PoolRigOptions options_;
  Scheduler scheduler_;
  SimMedia media_;
  commit::PoolIdentity identity_;
  std::uint64_t armed_ = 0, steps_ = 0, checkpoints_ = 0, appended_ = 0;
  std::unique_ptr<Pmem> pmem_;
  std::unique_ptr<commit::Pool> pool_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<Pin> pins_;
  bool created_ = false;
};

}  // namespace dspm::sim
