// Requests as a kernel might send them, and as none would: any opcode, any object, any bytes, one
// after the other, to the handlers over a node, a tree and a store. Nothing is read that is not in
// the request. (What a kernel means is trusted: it releases what it has opened, for example.)
// Each request of the input: opcode, object, two bytes of length, body.
#include <fcntl.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "fs/dispatch.h"
#include "namespace/tree/tree.h"
#include "tests/sim/sim_store.h"
#include "utils/base/check.h"

namespace {

using namespace dspm;
using namespace dspm::fs;

constexpr std::size_t kMostRequests = 64;

struct StandingClock final : Clock {
  Time now() const override { return Time(std::chrono::seconds(1)); }
  WallTime wall() const override { return WallTime{1'000'000'000}; }
};

// A daemon of one node without a mount: answers go to /dev/null.
class Daemon {
 public:
  Daemon()
      : device_(Device::detached(::open("/dev/null", O_WRONLY | O_CLOEXEC))),
        node_(node_options()),
        exchange_(*device_, node_, clock_),
        names_(store_options(), names::apply_delta),
        store_(names_.attach()) {
    names::TreeOptions options;
    options.self = NodeId(1);
    options.incarnation = Incarnation(1);
    options.layout = names::local_layout(GroupId(1));
    options.now = [this] { return clock_.now(); };
    tree_ = std::make_unique<names::Tree>(*store_, options);
    dispatch_ = std::make_unique<Dispatch>(exchange_, *tree_);
    exchange_.step(GroupLearnt{GroupId(1), Epoch(1), NodeId(1), Incarnation(1), {NodeId(1)}, {}});
    tree_->make_root(clock_.wall(), [](const Outcome&) {});
    settle();
  }
  ~Daemon() { store_->close(); }

  void take(std::uint8_t opcode, std::uint8_t object, ByteSpan body) {
    // On the heap and no longer than it is, so that what reads beyond it is seen.
    const auto bytes = std::make_unique<std::byte[]>(sizeof(fuse_in_header) + body.size());
    fuse_in_header header{};
    header.len = std::uint32_t(sizeof header + body.size());
    header.opcode = opcode;
    header.nodeid = object;
    header.unique = unique_ += 2;
    std::memcpy(bytes.get(), &header, sizeof header);
    if (!body.empty()) std::memcpy(bytes.get() + sizeof header, body.data(), body.size());
    dispatch_->request({reinterpret_cast<const fuse_in_header*>(bytes.get()),
                        {bytes.get() + sizeof header, body.size()}});
    settle();
  }

 private:
  static NodeOptions node_options() {
    NodeOptions options;
    options.self = NodeId(1);
    options.incarnation = Incarnation(1);
    return options;
  }
  sim::SimStoreOptions store_options() {
    sim::SimStoreOptions options;
    options.now = [this] { return clock_.now(); };
    options.schedule = [this](Duration, std::function<void()> call) {
      calls_.push_back(std::move(call));
    };
    return options;
  }
  // Does what the loop, the invalidators and the log do, until nothing is left.
  void settle() {
    while (!exchange_.effects().empty() || !calls_.empty()) {
      NodeEffects effects;
      effects.swap(exchange_.effects());
      for (NodeEffect& effect : effects) {
        if (const auto* job = std::get_if<dsm::Job>(&effect))
          exchange_.step(dsm::JobDone{job->ticket, job->ino});
        if (const auto* log = std::get_if<WriteLog>(&effect))
          exchange_.step(LogDurable{log->group, log->record->lsn});
        if (const auto* answer = std::get_if<dsm::KernelAnswer>(&effect))
          exchange_.answered(*answer);
      }
      if (calls_.empty()) continue;
      const auto call = std::move(calls_.front());
      calls_.pop_front();
      call();
    }
    exchange_.end_turn();
  }

  StandingClock clock_;
  std::deque<std::function<void()>> calls_;
  std::unique_ptr<Device> device_;
  Node node_;
  Exchange exchange_;
  sim::SimNames names_;
  std::unique_ptr<names::NameStore> store_;
  std::unique_ptr<names::Tree> tree_;
  std::unique_ptr<Dispatch> dispatch_;
  std::uint64_t unique_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteSpan input = std::as_bytes(std::span(data, size));
  Daemon daemon;
  for (std::size_t i = 0; i < kMostRequests && input.size() >= 4; ++i) {
    std::uint16_t length = 0;
    std::memcpy(&length, input.data() + 2, sizeof length);
    const auto opcode = std::uint8_t(input[0]), object = std::uint8_t(input[1]);
    input = input.subspan(4);
    const std::size_t take = std::min<std::size_t>(length, input.size());
    daemon.take(opcode, object, input.first(take));
    input = input.subspan(take);
  }
  return 0;
}
