// Some real nodes over simulated kernels, network and logs, and the oracle beside them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "fs/node.h"
#include "fs/persist.h"
#include "tests/sim/oracle.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_pool.h"

namespace dspm::sim {

struct WorldOptions {
  unsigned nodes = 3, objects = 3, replicas = 1;
  std::uint64_t pages = 8;                                       // of each object, at most
  std::vector<std::uint32_t> offsets{0, 1, 7, 100, 2048, 4095};  // watched in each page
  KernelOptions kernel;
  std::vector<bool> old_kernels;  // by node: before 6.16
  NetOptions net;
  std::uint64_t job_us = 60, request_us = 15;
  bool file_pools = false;
  std::uint64_t log_bytes = 768u << 10;  // of each node's pool
  bool groups_late = false;              // nodes learn of the groups one by one
  bool invariants = true;
  dsm::HolderLimits limits;
};

class World {
 public:
  World(Scheduler& scheduler, const WorldOptions& options);

  Scheduler& scheduler() { return scheduler_; }
  Oracle& oracle() { return oracle_; }
  SimNet& net() { return net_; }
  SimKernel& kernel(NodeId node) { return *host(node).kernel; }
  fs::Node& node(NodeId node) { return *host(node).node; }
  unsigned nodes() const { return options_.nodes; }
  std::uint64_t pages() const { return options_.pages; }
  std::vector<Ino> objects() const;
  GroupId home(Ino ino) const { return GroupId(std::uint32_t(ino.value % options_.nodes) + 1); }

  // LOOKUP with what fs/ does around it, then OPEN.
  void open(NodeId node, Ino ino, bool writable, Action done);
  Generation known_generation(NodeId node, Ino ino);
  std::uint64_t told(NodeId node, Ino ino);
  // No job of the object runs here, and nothing is left to be told.
  bool quiet(NodeId node, Ino ino);
  // What has been asked of its kernel, or of it, about the object: jobs and Invals.
  std::uint64_t disturbances(NodeId node, Ino ino) {
    return host(node).jobs_issued[ino] + host(node).invals[ino];
  }

  // Its invalidators do nothing until they are let go: scenarios only.
  void hold_jobs(NodeId node) { host(node).jobs_held = true; }
  void release_jobs(NodeId node);

  // A new life of the node: its kernel is gone, and with the power what was not durable.
  void restart(NodeId node);
  // [P4] All members of each group hold the same bytes; a violation says where not.
  void compare_replicas();
  std::uint64_t life(NodeId node) { return host(node).life; }
  bool restarted() const { return restarts_ > 0; }

  // Runs until `done`; a violation, no event left or `limit` of simulated time end it too.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::seconds(600));
  // Everything that can happen without programs.
  void settle(Duration limit);
  bool idle();

  std::uint64_t refetches(), rewrites();

 private:
  struct Host {
    NodeId id;
    Incarnation incarnation;
    std::uint64_t life = 0;
    bool dead = false, jobs_held = false;
    std::vector<Action> held_jobs;
    std::unique_ptr<fs::Node> node;
    std::unique_ptr<SimKernel> kernel;
    std::deque<std::pair<dsm::KernelEvent, Bytes>> requests;
    std::shared_ptr<SimPool> pool;  // goes on to the next life
    std::unique_ptr<fs::Persist> persist;
    Time last_answer, tick_at = kNever;
    std::map<Ino, std::uint64_t> jobs_issued, jobs_running, invals;
  };
  Host& host(NodeId node) { return *hosts_.at(node.value); }
  void start(Host& host);
  void introduce(Host& host);
  void request(Host& host, dsm::KernelEvent event, Bytes payload);
  void take_request(Host& host);
  void step(Host& host, const fs::NodeEvent& event);
  void perform(Host& host, const fs::NodeEffect& effect);
  void persist(Host& host);
  void look_inside(const commit::Record& record, GroupId group);
  void start_job(Host& host, const dsm::Job& job);
  void run_job(Host& host, const dsm::Job& job);
  void arm_tick(Host& host);
  void later(Host& host, Duration delay, Action action);

  Scheduler& scheduler_;
  WorldOptions options_;
  Oracle oracle_;
  SimNet net_;
  std::map<std::uint32_t, std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Host>> dead_;
  std::map<GroupId, fs::GroupLearnt> groups_;
  std::uint64_t restarts_ = 0, published_ = 0;
};

}  // namespace dspm::sim
