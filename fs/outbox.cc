#include "fs/outbox.h"

#include <algorithm>
#include <type_traits>

namespace dspm::fs {

Lsn Outbox::rests_on(const Message& message) {
  return std::visit(
      [](const auto& m) -> Lsn {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, dsm::Data>) {
          Lsn newest;
          for (const dsm::DataPage& page : m.pages) newest = std::max(newest, page.version);
          return newest;
        } else if constexpr (std::is_same_v<M, dsm::Attr>) {
          return m.header.version;
        } else if constexpr (std::is_same_v<M, commit::Decided> ||
                             std::is_same_v<M, commit::Done>) {
          return m.settlement.version;
        } else {
          return Lsn();
        }
      },
      message);
}

void Outbox::send(NodeId to, Message message, Ready& ready) {
  const GroupId group = std::visit([](const auto& m) { return m.group; }, message);
  const auto kept = groups_.find(group);
  const Lsn after = kept == groups_.end() ? Lsn() : rests_on(message);
  if (!after || after <= kept->second.durable) {
    ready.emplace_back(to, std::move(message));
  } else {
    kept->second.held.emplace(after, std::pair(to, std::move(message)));
  }
}

void Outbox::durable(GroupId group, Lsn lsn, Ready& ready) {
  OfGroup& kept = groups_[group];
  kept.durable = std::max(kept.durable, lsn);
  const auto end = kept.held.upper_bound(kept.durable);
  for (auto it = kept.held.begin(); it != end; ++it) ready.push_back(std::move(it->second));
  kept.held.erase(kept.held.begin(), end);
}

std::size_t Outbox::held() const {
  std::size_t n = 0;
  for (const auto& [group, kept] : groups_) n += kept.held.size();
  return n;
}

}  // namespace dspm::fs
