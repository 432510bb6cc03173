// [C7] What became of each commit of a group, by id: decided at which LSN. Kept by every member, in
// the log and in checkpoints, until the committer has said that it is Done.
#pragma once

#include <map>
#include <utility>

#include "commit/record.h"

namespace dspm::commit {

class Outcomes {
 public:
  struct OfCommitter {
    std::uint64_t floor = 0;               // ids below are forgotten: Done long ago
    std::map<std::uint64_t, Lsn> decided;  // by sequence
    bool operator==(const OfCommitter&) const = default;
  };
  using Table = std::map<std::pair<NodeId, Incarnation>, OfCommitter>;

  // The record is decided; a View says nothing of commits. Older incarnations of its committer have
  // nothing to ask any more: the present one has begun to commit in this group.
  void apply(const Record& record);
  // Everything of the committer below `floor` is Done.
  void forget_below(NodeId node, Incarnation incarnation, std::uint64_t floor);
  // 0 = not decided here, or forgotten.
  Lsn find(const CommitId& id) const;
  bool forgotten(const CommitId& id) const;

  const Table& table() const { return table_; }
  void restore(Table table) { table_ = std::move(table); }
  std::size_t size() const;

 private:
  Table table_;
};

}  // namespace dspm::commit
