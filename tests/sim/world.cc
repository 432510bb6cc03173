#include "tests/sim/world.h"

#include <algorithm>

namespace dspm::sim {

using std::chrono::microseconds;

World::World(Scheduler& scheduler, const WorldOptions& options)
    : scheduler_(scheduler),
      options_(options),
      oracle_(scheduler, options.nodes),
      net_(
          scheduler, options.net,
          [this](NodeId from, NodeId to, const fs::Message& m) {
            scheduler_.say("n", from, " -> n", to, " ", describe(m));
            if (const auto* inval = std::get_if<dsm::Inval>(&m)) host(to).invals[inval->ino]++;
            step(host(to), fs::FromPeer{from, host(from).incarnation, m});
          },
          [this](NodeId a, NodeId b) {
            step(host(a), fs::PeerUp{b, host(b).incarnation});
            step(host(b), fs::PeerUp{a, host(a).incarnation});
          }) {
  for (const Ino ino : objects()) oracle_.add_object(ino, options_.pages, options_.offsets);
  for (std::uint32_t n = 1; n <= options_.nodes; n++) {
    auto host = std::make_unique<Host>();
    host->id = NodeId(n);
    host->incarnation = Incarnation(100 + n);
    fs::GroupLearnt group{GroupId(n), Epoch(1), NodeId(n), host->incarnation, {}, {}};
    for (unsigned i = 0; i < std::min(options_.replicas, options_.nodes); i++)
      group.members.emplace_back((n - 1 + i) % options_.nodes + 1);
    groups_[GroupId(n)] = std::move(group);
    hosts_[n] = std::move(host);
  }
  for (auto& [n, host] : hosts_) start(*host);
  for (auto& [n, host] : hosts_) introduce(*host);
}

std::vector<Ino> World::objects() const {
  std::vector<Ino> out;
  for (unsigned i = 0; i < options_.objects; i++) out.emplace_back(10 + i);
  return out;
}

void World::start(Host& host) {
  if (!host.pool) {
    host.pool = std::make_shared<SimPool>(
        scheduler_, host.id,
        SimPoolOptions{.kind = options_.file_pools ? PmemKind::file : PmemKind::byte_addressable,
                       .log_bytes = options_.log_bytes,
                       .groups = std::min(options_.replicas, options_.nodes)});
  }
  const bool opened = host.pool->open(
      [this, &host](Duration delay, Action action) { later(host, delay, std::move(action)); },
      [this, &host] { later(host, Duration(0), [this, &host] { persist(host); }); });
  if (!opened) return;
  fs::NodeOptions node{.self = host.id, .incarnation = host.incarnation};
  node.recovered = [&host](GroupId group) { return host.pool->recovered(group); };
  node.limits = options_.limits;
  node.on_publish = [this](const commit::Record& record, bool sets_size) {
    look_inside(record, home(record.ino));
    oracle_.published(record, sets_size);
  };
  host.node = std::make_unique<fs::Node>(node);
  host.persist = std::make_unique<fs::Persist>(host.pool->pmem(), host.pool->pool(), *host.node);
  KernelOptions kernel = options_.kernel;
  if (host.id.value <= options_.old_kernels.size())
    kernel.before_6_16 = options_.old_kernels[host.id.value - 1];
  host.kernel = std::make_unique<SimKernel>(scheduler_, host.id, kernel,
                                            [this, &host](dsm::KernelEvent event, Bytes payload) {
                                              request(host, std::move(event), std::move(payload));
                                            });
  host.kernel->known_generation = [this, id = host.id](Ino ino) {
    return known_generation(id, ino);
  };
  host.kernel->leaking = [this, id = host.id](Ino ino, std::uint64_t page) {
    oracle_.leaked(id, ino, page * kPageSize, (page + 1) * kPageSize);
  };
}

// The new life learns of the groups and of its peers, and they of it.
void World::introduce(Host& host) {
  for (auto& [n, other] : hosts_) {
    for (const auto& [g, learnt] : groups_) {
      if (g.value != host.id.value && g.value != n) continue;
      Host* to = g.value == host.id.value ? other.get() : &host;
      const auto delay = options_.groups_late ? scheduler_.below(300) : 0;
      later(*to, microseconds(delay), [this, to, learnt = learnt] { step(*to, learnt); });
    }
    if (other.get() == &host) continue;
    later(host, microseconds(1 + scheduler_.below(5)), [this, &host, other = other.get()] {
      if (other->dead) return;  // its next life introduces itself
      step(host, fs::PeerUp{other->id, other->incarnation});
      step(*other, fs::PeerUp{host.id, host.incarnation});
    });
  }
}

// Dropped where the node has died meanwhile.
void World::later(Host& host, Duration delay, Action action) {
  scheduler_.after(delay, [&host, action = std::move(action)] {
    if (!host.dead) action();
  });
}

// ---- the node's doors
void World::request(Host& host, dsm::KernelEvent event, Bytes payload) {
  host.requests.emplace_back(std::move(event), std::move(payload));
  later(host, microseconds(1 + scheduler_.below(options_.request_us)),
        [this, &host] { take_request(host); });
}

// /dev/fuse is read in order.
void World::take_request(Host& host) {
  auto [event, payload] = std::move(host.requests.front());
  host.requests.pop_front();
  if (auto* write = std::get_if<dsm::WriteRequest>(&event)) write->bytes = payload;
  // LOOKUP and GETATTR read the inode record first, which tells where the object lives.
  if (const auto* attr = std::get_if<dsm::AttrRequest>(&event); attr && !attr->setattr)
    step(host, fs::ObjectLearnt{attr->ino, home(attr->ino)});
  step(host, fs::FromKernel{event});
}

void World::step(Host& host, const fs::NodeEvent& event) {
  if (host.dead || !scheduler_.failure().empty()) return;
  fs::NodeEffects effects;
  host.node->step(event, scheduler_.now(), effects);
  if (options_.invariants) host.node->check_invariants();
  for (const auto& effect : effects) perform(host, effect);
  persist(host);
}

void World::persist(Host& host) {
  if (host.dead || !scheduler_.failure().empty()) return;
  std::vector<fs::NodeEvent> events;
  host.persist->flush(scheduler_.now(), events);
  if (!host.persist->health())
    return scheduler_.fail("pool: " + host.persist->health().error().what);
  for (const auto& event : events) step(host, event);
  arm_tick(host);
}

void World::perform(Host& host, const fs::NodeEffect& effect) {
  if (const auto* send = std::get_if<fs::SendTo>(&effect)) {
    net_.send(host.id, send->to, send->message);
  } else if (const auto* answer = std::get_if<dsm::KernelAnswer>(&effect)) {
    host.last_answer = std::max(host.last_answer + Duration(1),
                                scheduler_.now() + microseconds(scheduler_.below(5)));
    const bool read = std::holds_alternative<dsm::ReadAnswer>(*answer);
    const Generation known =
        read ? known_generation(host.id, host.kernel->object_of(*answer)) : Generation();
    later(host, host.last_answer - scheduler_.now(),
          [&host, answer = *answer, known] { host.kernel->answer(answer, known); });
  } else if (const auto* job = std::get_if<dsm::Job>(&effect)) {
    start_job(host, *job);
  } else if (const auto* log = std::get_if<fs::WriteLog>(&effect)) {
    host.persist->append(*log);
  }
}

// [C2] What is published is on every member, whatever happens to all of them now.
void World::look_inside(const commit::Record& record, GroupId group) {
  if (++published_ % 64 != 0) return;
  for (const NodeId member : groups_.at(group).members) {
    if (!host(member).pool->would_hold(group, record.lsn))
      scheduler_.fail("n" + std::to_string(member.value) + " would lose a published record");
  }
}

// Another thread calls the kernel; never before the answers given so far have been written.
void World::start_job(Host& host, const dsm::Job& job) {
  static const char* const kNames[] = {"drop", "void attrs", "raise size", "shrink"};
  scheduler_.say("n", host.id, " job ", job.ticket, " ", kNames[int(job.kind)], " o", job.ino, " ",
                 job.offset, "+", job.length, " size ", job.size,
                 job.after_ctime ? " after ctime" : "");
  host.jobs_issued[job.ino]++;
  host.jobs_running[job.ino]++;
  const Time at = std::max(host.last_answer + Duration(1),
                           scheduler_.now() + microseconds(scheduler_.below(options_.job_us)));
  const Action run = [this, &host, job] { run_job(host, job); };
  if (host.jobs_held)
    host.held_jobs.push_back(run);
  else
    later(host, at - scheduler_.now(), run);
}

void World::run_job(Host& host, const dsm::Job& job) {
  host.kernel->run(job, [this, &host, job](bool known) {
    later(host, microseconds(1 + scheduler_.below(20)), [this, &host, job, known] {
      host.jobs_running[job.ino]--;
      scheduler_.say("n", host.id, " job ", job.ticket, " returned");
      step(host, dsm::JobDone{job.ticket, job.ino, !known});
    });
  });
}

void World::release_jobs(NodeId node) {
  Host& h = host(node);
  h.jobs_held = false;
  for (auto& run : std::exchange(h.held_jobs, {})) later(h, microseconds(1), run);
}

void World::arm_tick(Host& host) {
  const Time next = std::min(host.node->next_deadline(), host.persist->next_deadline());
  if (next >= host.tick_at) return;
  host.tick_at = std::max(next, scheduler_.now() + Duration(1));
  later(host, host.tick_at - scheduler_.now(), [this, &host, at = host.tick_at] {
    if (host.tick_at != at) return;
    host.tick_at = kNever;
    step(host, fs::Tick{});
  });
}

// ---- programs
void World::open(NodeId node, Ino ino, bool writable, Action done) {
  Host& h = host(node);
  h.kernel->lookup(
      ino, [&h, ino, writable, done = std::move(done)] { h.kernel->open(ino, writable, done); });
}

Generation World::known_generation(NodeId node, Ino ino) {
  const auto status = host(node).node->object(ino);
  return status ? status->generation : Generation();
}

std::uint64_t World::told(NodeId node, Ino ino) {
  const auto status = host(node).node->object(ino);
  return status ? status->told : 0;
}

bool World::quiet(NodeId node, Ino ino) {
  return host(node).jobs_running[ino] == 0 && told(node, ino) == oracle_.final_size(ino);
}

void World::restart(NodeId node) {
  Host& old = host(node);
  scheduler_.say("n", node, " dies and comes back");
  restarts_++;
  auto fresh = std::make_unique<Host>();
  fresh->id = node;
  fresh->incarnation = Incarnation(old.incarnation.value + 100);
  fresh->life = old.life + 1;
  old.dead = true;
  fs::GroupLearnt& group = groups_.at(GroupId(node.value));
  group.epoch = Epoch(group.epoch.value + 1);
  group.incarnation = fresh->incarnation;
  group.live.clear();
  for (auto& [n, other] : hosts_) {
    if (n == node.value) continue;
    group.live[other->id] = other->incarnation;
    net_.lose(node, NodeId(n));
  }
  oracle_.node_lost(node);
  fresh->pool = old.pool;
  old.persist.reset();
  old.node.reset();
  old.pool->close(scheduler_.below(2) == 0);
  dead_.push_back(std::move(hosts_.at(node.value)));
  hosts_.at(node.value) = std::move(fresh);
  start(host(node));
  introduce(host(node));
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  const Time end = scheduler_.now() + limit;
  while (scheduler_.failure().empty()) {
    if (done()) return true;
    if (scheduler_.now() > end || !scheduler_.step()) return false;
  }
  return false;
}

bool World::idle() {
  for (auto& [n, host] : hosts_) {
    if (!host->requests.empty() || !host->kernel->idle()) return false;
    for (const auto& [ino, running] : host->jobs_running)
      if (running > 0) return false;
  }
  return true;
}

void World::compare_replicas() {
  for (const auto& [id, learnt] : groups_) {
    const commit::Group* first = host(learnt.primary).node->group(id);
    for (const NodeId member : learnt.members) {
      const commit::Group* other = host(member).node->group(id);
      for (const Ino ino : objects()) {
        if (home(ino) != id) continue;
        bool same = first->header(ino) == other->header(ino);
        for (PageNo p; p.value < pages(); ++p.value) {
          const PublishedPage a = first->page(ino, p), b = other->page(ino, p);
          same = same && a.version == b.version && a.bytes->data == b.bytes->data;
        }
        if (!same)
          scheduler_.fail("replicas of o" + std::to_string(ino.value) + " differ: n" +
                          std::to_string(learnt.primary.value) + " and n" +
                          std::to_string(member.value));
      }
    }
  }
}

void World::settle(Duration limit) {
  bool over = false;
  scheduler_.after(limit, [&over] { over = true; });
  run_until([&over] { return over; }, limit);
}

std::uint64_t World::refetches() {
  std::uint64_t n = 0;
  for (auto& [id, host] : hosts_) n += host->node->counters().refetches;
  return n;
}

std::uint64_t World::rewrites() {
  std::uint64_t n = 0;
  for (auto& [id, host] : hosts_) n += host->node->counters().rewrites;
  return n;
}

}  // namespace dspm::sim
