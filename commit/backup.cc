#include "commit/backup.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "utils/base/limits.h"
#include "utils/base/planted.h"

namespace dspm::commit {

// [E7] [E8] All of it durable; with what our kernel holds of pages that are not decided here.
void Backup::collect(GroupEffects& out) const {
  Position position{group_, epoch_, replica_.applied(), replica_.runs(), {}, replica_.space()};
  replica_.kernel_copies(replica_.applied(), replica_.last(), kernel_, position.copies);
  out.push_back(GroupSend{primary_, std::move(position)});
}

void Backup::pull(const Pull& message, GroupEffects& out) const {
  Pulled answer{group_, epoch_, {}, false};
  std::size_t bytes = 0;
  if (replica_.at(message.after.sequence()) == message.after) {
    for (std::uint64_t s = message.after.sequence() + 1; s <= replica_.last().sequence(); ++s) {
      const RecordRef record = replica_.record(s);
      if (record->lsn > replica_.durable()) break;
      answer.records.push_back(record);
      bytes += record_bytes(*record);
      if (bytes < kMaxAppendBytes) continue;
      out.push_back(GroupSend{primary_, answer});
      answer.records.clear();
      bytes = 0;
    }
  }
  answer.last = true;
  out.push_back(GroupSend{primary_, std::move(answer)});
}

// [C2] True: it is in our log at its place. A record at or below `applied` is never cut.
bool Backup::take(const RecordRef& record, GroupEffects& out) {
  const std::uint64_t place = record->lsn.sequence();
  if (place <= replica_.applied().sequence()) {
    const Lsn known = replica_.at(place);
    if (!known || known == record->lsn) return true;
  } else if (replica_.at(place) == record->lsn) {
    return true;
  } else if (place - 1 > replica_.last().sequence()) {
    return false;
  } else if (replica_.at(place - 1) == record->previous) {
    replica_.cut_behind(place - 1);
    replica_.append(record, out);
    return true;
  }
  std::ostringstream what;
  what << "group " << group_ << ": the primary's record " << record->lsn << " behind "
       << record->previous << " contradicts what is applied here (" << replica_.applied() << ")";
  fault_ = what.str();
  return false;
}

void Backup::append(const Append& message, GroupEffects& out) {
  if (!fault_.empty()) return;
  if (message.wants_space) replica_.want_space();
  bool good = replica_.at(message.previous.sequence()) == message.previous ||
              message.previous <= replica_.applied();
  if (good) matched_ = std::max(matched_, message.previous);
  for (const RecordRef& record : message.records) {
    good = good && take(record, out);
    if (!good) break;
    matched_ = std::max(matched_, record->lsn);
  }
  if (!good) {  // [A15] what is missing comes again behind our Position
    if (fault_.empty()) collect(out);
    return;
  }
  heard_ = true;
  told_ = std::max(told_, message.decided);
  advance(out);
  if (!message.records.empty() && message.records.back()->lsn <= acknowledged_) {
    acknowledge(acknowledged_, {}, out);  // [B8] it came again: so must the answer
  }
}

// Acknowledges, then folds.
void Backup::advance(GroupEffects& out) {
  const Lsn upto =
      planted(Planted::ack_before_durable) ? matched_ : std::min(matched_, replica_.durable());
  if (upto > acknowledged_) {
    std::vector<KernelCopy> copies;
    if (!planted(Planted::ack_without_copies)) {
      const Lsn from = std::max(acknowledged_, replica_.applied());
      replica_.kernel_copies(from, upto, kernel_, copies);
    }
    acknowledge(std::exchange(acknowledged_, upto), std::move(copies), out);
  }
  const Lsn decided = std::min({told_, upto, replica_.durable()});
  while (replica_.applied() < decided) replica_.apply_next();
}

void Backup::acknowledge(Lsn after, std::vector<KernelCopy> copies, GroupEffects& out) const {
  out.push_back(GroupSend{primary_, AppendAck{group_, epoch_, after, acknowledged_,
                                              replica_.trimmed(), std::move(copies)}});
}

void Backup::durable(GroupEffects& out) { advance(out); }

void Backup::trimmed(GroupEffects& out) const { acknowledge(acknowledged_, {}, out); }

bool Backup::may_read(Ino ino) const {
  if (!heard_ || !fault_.empty() || replica_.applied() < told_) return false;  // [A1]
  return planted(Planted::local_read_undecided) || !replica_.undecided(ino);
}

}  // namespace dspm::commit
