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
  const Lsn after = group == group_ ? rests_on(message) : Lsn();
  if (after <= durable_) {
    ready.emplace_back(to, std::move(message));
  } else {
    held_.emplace(after, std::pair(to, std::move(message)));
  }
}

void Outbox::durable(Lsn lsn, Ready& ready) {
  durable_ = std::max(durable_, lsn);
  const auto end = held_.upper_bound(durable_);
  for (auto it = held_.begin(); it != end; ++it) ready.push_back(std::move(it->second));
  held_.erase(held_.begin(), end);
}

}  // namespace dspm::fs
