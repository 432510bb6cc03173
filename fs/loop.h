// The turn of a node: take what has come (kernel, peers, invalidators, posted work, time), step the
// machines, send at once, then let durable things be durable, then answer. One thread, all
// descriptors, nothing of the protocol (11-latency §6).
#pragma once

#include <utility>
// Boost 1.74 uses std::exchange without including it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <vector>

#include "fs/exchange.h"
#include "fs/invalidator.h"
#include "fs/node.h"
#include "fs/persist.h"
#include "utils/net/wire.h"

namespace dspm::fs {

struct LoopCounters {
  std::uint64_t turns = 0, requests = 0, messages_in = 0, messages_out = 0;
  std::uint64_t undecodable = 0;  // messages that no encode() made
  std::uint64_t unsent = 0;       // peer not up; asked again at its PeerUp
};

class Loop final : public WireEvents {
 public:
  using Handler = std::function<void(const Request&)>;

  struct Options {
    Duration spin{};  // longest wait with sched_yield for an answer that is owed; 0 = never
  };

  // What is given by reference outlives the loop.
  Loop(boost::asio::io_context& io, Device& device, Node& node, Exchange& exchange,
       Invalidator& invalidator, Persist& persist, Options options);
  ~Loop() override;

  // Both before run().
  void set_wire(Wire& wire) { wire_ = &wire; }
  void set_handler(Handler handler) { handler_ = std::move(handler); }

  // Turns until stop(), or until the mount is gone.
  void run();
  // Turns without the kernel, after run(): until `done`, at the latest until `deadline`.
  void run_until(const std::function<bool()>& done, Time deadline);
  // On the loop's thread.
  void stop() { stopped_ = true; }
  bool unmounted() const { return unmounted_; }
  // Why the loop has ended by itself: the pool's failure.
  const Outcome& failure() const { return persist_.health(); }
  const LoopCounters& counters() const { return counters_; }

  void on_up(NodeId node, Incarnation incarnation) override;
  void on_down(NodeId node) override;
  void on_message(NodeId node, Incarnation incarnation, ByteSpan message) override;

 private:
  bool turn();
  void wait(Time deadline = kNever);
  bool spin();
  void drain_device();
  void take_jobs();
  void tick();
  void finish();
  void send(SendTo& out);
  void watch_device();
  void watch_jobs();
  void set_timer(Time deadline);

  boost::asio::io_context& io_;
  Device& device_;
  Node& node_;
  Exchange& exchange_;
  Invalidator& invalidator_;
  Persist& persist_;
  Options options_;
  Wire* wire_ = nullptr;
  Handler handler_;
  boost::asio::posix::stream_descriptor device_ready_, jobs_ready_;
  boost::asio::steady_timer timer_;
  Time timer_at_ = kNever;  // when timer_ will fire
  bool device_due_ = true;  // requests may wait
  bool jobs_due_ = false;   // jobs may have returned
  bool from_peer_ = false;  // this turn took something from a peer
  bool stopped_ = false, unmounted_ = false;
  std::vector<dsm::JobDone> jobs_done_;
  LoopCounters counters_;
};

}  // namespace dspm::fs
