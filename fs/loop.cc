#include "fs/loop.h"

#include <sched.h>

#include <chrono>
#include <cstdio>
#include <variant>

#include "fs/messages.h"
#include "utils/base/check.h"

namespace dspm::fs {
namespace {

constexpr int kRequestsPerTurn = 64;  // so that peers are not starved by a busy kernel

std::chrono::steady_clock::time_point steady_now() { return std::chrono::steady_clock::now(); }

}  // namespace

Loop::Loop(boost::asio::io_context& io, Device& device, Node& node, Exchange& exchange,
           Invalidator& invalidator, Persist& persist, Options options)
    : io_(io),
      device_(device),
      node_(node),
      exchange_(exchange),
      invalidator_(invalidator),
      persist_(persist),
      options_(options),
      device_ready_(io, device.fd()),
      jobs_ready_(io, invalidator.done_fd()),
      timer_(io) {}

Loop::~Loop() {
  // Both descriptors have other owners.
  device_ready_.release();
  jobs_ready_.release();
}

void Loop::run() {
  watch_jobs();
  while (!stopped_) {
    if (!turn() && !stopped_) wait();
  }
}

void Loop::run_until(const std::function<bool()>& done, Time deadline) {
  while (!done() && exchange_.now() < deadline) {
    if (!turn()) wait(deadline);
  }
}

bool Loop::turn() {
  bool worked = io_.poll() > 0;
  if (device_due_) {
    drain_device();
    worked = true;
  }
  if (jobs_due_) take_jobs();
  tick();
  finish();
  if (worked) ++counters_.turns;
  exchange_.end_turn();
  return worked;
}

void Loop::wait(Time deadline) {
  const bool spoken_to = std::exchange(from_peer_, false);
  if (options_.spin > Duration::zero() && (spoken_to || node_.owed()) && spin()) return;
  const Time now = exchange_.now();
  set_timer(std::min(
      {node_.next_deadline(), invalidator_.deadline(now), persist_.next_deadline(), deadline}));
  exchange_.end_turn();
  io_.run_one();
}

// Only where a peer is about to speak; yielding, so that the peer runs now if it shares this core.
bool Loop::spin() {
  const auto end = steady_now() + options_.spin;
  do {
    if (io_.poll() > 0) return true;
    ::sched_yield();
  } while (steady_now() < end);
  return false;
}

void Loop::drain_device() {
  for (int i = 0; i < kRequestsPerTurn; ++i) {
    Request request;
    switch (device_.read(request)) {
      case Device::Got::request:
        ++counters_.requests;
        handler_(request);
        break;
      case Device::Got::nothing:
        device_due_ = false;
        watch_device();
        return;
      case Device::Got::unmounted:
        unmounted_ = stopped_ = true;
        device_due_ = false;
        return;
    }
  }
}

void Loop::take_jobs() {
  jobs_due_ = false;
  invalidator_.take_done(jobs_done_);
  watch_jobs();  // not before the descriptor is read, else it is ready at once, for ever
  for (const dsm::JobDone& done : jobs_done_) exchange_.step(done);
}

void Loop::tick() {
  const Time now = exchange_.now();
  if (node_.next_deadline() <= now) exchange_.step(Tick{});
  invalidator_.tend(now);
}

void Loop::finish() {
  // The order is the design: sends leave before anything here waits for the log.
  std::vector<NodeEvent> events;
  do {
    NodeEffects effects;
    effects.swap(exchange_.effects());
    for (NodeEffect& effect : effects) {
      if (auto* out = std::get_if<SendTo>(&effect)) send(*out);
      if (auto* job = std::get_if<dsm::Job>(&effect)) invalidator_.post(std::move(*job));
      if (auto* log = std::get_if<WriteLog>(&effect)) persist_.append(*log);
    }
    persist_.flush(exchange_.now(), events);
    if (!persist_.health()) {  // what was answered so far is durable; nothing more may be
      stopped_ = true;
      return;
    }
    for (const NodeEvent& event : std::exchange(events, {})) exchange_.step(event);
    for (const NodeEffect& effect : effects)
      if (const auto* answer = std::get_if<dsm::KernelAnswer>(&effect)) exchange_.answered(*answer);
  } while (!exchange_.effects().empty());
}

void Loop::send(SendTo& out) {
  Encoded encoded = encode(out.message);
  std::vector<Payload> payloads;
  payloads.reserve(encoded.pages.size());
  for (PageRef& page : encoded.pages) {
    const ByteSpan bytes(page->data);
    payloads.push_back({std::move(page), bytes});
  }
  const bool sent = wire_->send(out.to, std::move(encoded.head), std::move(payloads));
  ++(sent ? counters_.messages_out : counters_.unsent);
}

void Loop::watch_device() {
  device_ready_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                           [this](const boost::system::error_code& error) {
                             if (error != boost::asio::error::operation_aborted) device_due_ = true;
                           });
}

void Loop::watch_jobs() {
  jobs_ready_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                         [this](const boost::system::error_code& error) {
                           if (error != boost::asio::error::operation_aborted) jobs_due_ = true;
                         });
}

void Loop::set_timer(Time deadline) {
  // A timer that fires too early costs one turn; moving it at each request would cost more.
  if (deadline >= timer_at_) return;
  timer_at_ = deadline;
  timer_.expires_after(std::max(deadline - exchange_.now(), Duration::zero()));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) timer_at_ = kNever;
  });
}

void Loop::on_up(NodeId node, Incarnation incarnation) {
  from_peer_ = true;
  exchange_.step(PeerUp{node, incarnation});
}

void Loop::on_down(NodeId) {}  // what was unanswered is asked again at the next PeerUp [M1]

void Loop::on_message(NodeId node, Incarnation incarnation, ByteSpan bytes) {
  from_peer_ = true;
  Result<Message> message = decode(bytes);
  if (!message) {
    ++counters_.undecodable;  // said each time: its sender waits, and asks again only at a new
                              // connection
    std::fprintf(stderr, "dspmd: a message of node %u cannot be read: %s\n", node.value,
                 message.error().what.c_str());
    return;
  }
  ++counters_.messages_in;
  exchange_.step(FromPeer{node, incarnation, std::move(message).value()});
}

}  // namespace dspm::fs
