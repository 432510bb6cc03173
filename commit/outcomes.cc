#include "commit/outcomes.h"

#include <algorithm>

namespace dspm::commit {

void Outcomes::apply(const Record& record) {
  if (record.kind != RecordKind::write) return;
  const auto same_node = table_.lower_bound({record.id.node, Incarnation()});
  for (auto it = same_node; it != table_.end() && it->first.first == record.id.node &&
                            it->first.second < record.id.incarnation;) {
    it = table_.erase(it);
  }
  OfCommitter& committer = table_[{record.id.node, record.id.incarnation}];
  if (record.id.sequence >= committer.floor) committer.decided[record.id.sequence] = record.lsn;
  forget_below(record.id.node, record.id.incarnation, record.done_below);
}

void Outcomes::forget_below(NodeId node, Incarnation incarnation, std::uint64_t floor) {
  const auto it = table_.find({node, incarnation});
  if (it == table_.end() || floor <= it->second.floor) return;
  it->second.floor = floor;
  auto& decided = it->second.decided;
  decided.erase(decided.begin(), decided.lower_bound(floor));
}

Lsn Outcomes::find(const CommitId& id) const {
  const auto committer = table_.find({id.node, id.incarnation});
  if (committer == table_.end()) return {};
  const auto it = committer->second.decided.find(id.sequence);
  return it == committer->second.decided.end() ? Lsn() : it->second;
}

bool Outcomes::forgotten(const CommitId& id) const {
  const auto committer = table_.find({id.node, id.incarnation});
  return committer != table_.end() && id.sequence < committer->second.floor;
}

std::size_t Outcomes::size() const {
  std::size_t n = 0;
  for (const auto& [who, committer] : table_) n += committer.decided.size();
  return n;
}

}  // namespace dspm::commit
