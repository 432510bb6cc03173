#include "tests/sim/sim_media.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>
#include <utility>

namespace dspm::sim {
namespace {

using Random = std::mt19937_64;
// How many of the n stores of a unit, or versions of a word, survive.
using Pick = std::function<std::size_t(std::size_t n)>;

// One power failure has one character, so that "all but one" and "one only" are as likely as a mix.
Pick picker(Keep keep, Random& random) {
  const auto some = [&random](std::size_t n) { return std::size_t(random() % (n + 1)); };
  switch (keep) {
    case Keep::nothing:
      return [](std::size_t) { return std::size_t{0}; };
    case Keep::everything:
      return [](std::size_t n) { return n; };
    case Keep::random:
      break;
  }
  switch (random() % 4) {
    case 0:
      return [&random, some](std::size_t n) { return random() % 8 != 0 ? 0 : some(n); };
    case 1:
      return [&random, some](std::size_t n) { return random() % 8 != 0 ? n : some(n); };
    default:
      return some;
  }
}

}  // namespace

SimRegion::SimRegion(std::uint64_t size, std::uint32_t unit, std::uint32_t store, bool in_order)
    : unit_(unit), store_(store), in_order_(in_order), now_(size), noticed_(size), durable_(size) {
  DSPM_CHECK(size % unit == 0 && unit % store == 0, size, unit, store);
}

void SimRegion::record(std::uint64_t offset) {
  const auto* start = now_.data() + offset;
  std::memcpy(noticed_.data() + offset, start, store_);
  pending_[offset / unit_].push_back(
      {calls_, std::uint32_t(offset % unit_), Bytes(start, start + store_)});
}

void SimRegion::store(std::uint64_t offset, ByteSpan bytes) {
  DSPM_CHECK(offset <= size() && bytes.size() <= size() - offset, offset, bytes.size(), size());
  if (bytes.empty()) return;
  std::memcpy(now_.data() + offset, bytes.data(), bytes.size());
  ++calls_;
  const std::uint64_t end = offset + bytes.size();
  for (std::uint64_t at = offset / store_ * store_; at < end; at += store_) record(at);
}

void SimRegion::notice(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  ++calls_;
  const std::uint64_t end = (offset + length + unit_ - 1) / unit_ * unit_;
  for (std::uint64_t at = offset / unit_ * unit_; at < end; at += store_) {
    if (std::memcmp(now_.data() + at, noticed_.data() + at, store_) != 0) record(at);
  }
}

void SimRegion::apply(std::uint64_t unit, const Store& store) {
  std::memcpy(durable_.data() + unit * unit_ + store.at, store.bytes.data(), store.bytes.size());
}

void SimRegion::make_durable(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  const auto first = pending_.lower_bound(offset / unit_);
  const auto end = pending_.lower_bound((offset + length + unit_ - 1) / unit_);
  for (auto it = first; it != end; ++it) {
    for (const Store& store : it->second) apply(it->first, store);
  }
  pending_.erase(first, end);
}

void SimRegion::make_durable() {
  pending_.clear();
  noticed_ = now_;
  durable_ = now_;
}

void SimRegion::lose_power(Keep keep, std::uint64_t seed) {
  Random random(seed);
  const Pick pick = picker(keep, random);
  notice(0, size());
  for (auto& [unit, stores] : pending_) {
    if (in_order_) {
      for (auto from = stores.begin(); from != stores.end();) {
        const auto to = std::ranges::find_if(from, stores.end(),
                                             [&](const Store& s) { return s.call != from->call; });
        std::shuffle(from, to, random);
        from = to;
      }
      const std::size_t kept = pick(stores.size());
      for (std::size_t i = 0; i < kept; ++i) apply(unit, stores[i]);
      continue;
    }
    std::map<std::uint32_t, std::vector<const Store*>> words;
    for (const Store& s : stores) words[s.at].push_back(&s);
    for (const auto& [at, versions] : words) {
      const std::size_t kept = pick(versions.size());
      if (kept > 0) apply(unit, *versions[kept - 1]);
    }
  }
  pending_.clear();
  now_ = durable_;
  noticed_ = durable_;
}

void SimRegion::flip_bit(std::uint64_t offset, unsigned bit) {
  for (AlignedBytes* bytes : {&now_, &noticed_, &durable_})
    (*bytes)[offset] ^= std::byte(1u << bit);
}

// A log in memory is written past the caches: nothing orders its stores but the fence.
SimMedia::SimMedia(PmemKind kind, std::uint64_t pool_size, std::uint64_t log_size)
    : kind_(kind),
      pool_(kind == PmemKind::file ? SimRegion(pool_size, 512, 512, true)
                                   : SimRegion(pool_size, 64, 8, true)),
      log_(kind == PmemKind::file ? SimRegion(log_size, 512, 512, true)
                                  : SimRegion(log_size, 64, 8, false)),
      secured_(pool_size),
      limit_(pool_size) {}

void SimMedia::lose_power(Keep keep, std::uint64_t seed) {
  DSPM_CHECK(!locked_.by_somebody);
  pool_.lose_power(keep, seed);
  log_.lose_power(keep, seed + 1);
}

void SimMedia::make_sparse(std::uint64_t secured, std::uint64_t limit) {
  secured_ = secured;
  limit_ = limit;
}

Outcome SimMedia::secure(std::uint64_t length) {
  DSPM_CHECK(length <= pool_.size(), length);
  if (length > limit_) return Error{Status::no_space, "the simulated disk is full"};
  secured_ = std::max(secured_, length);
  return Done{};
}

}  // namespace dspm::sim
