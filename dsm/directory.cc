#include "dsm/directory.h"

#include <algorithm>
#include <utility>

#include "utils/base/check.h"
#include "utils/base/planted.h"

namespace dspm::dsm {

bool Directory::Entry::owes(NodeId node) const {
  return std::any_of(owed.begin(), owed.end(), [&](const Owed& o) { return o.node == node; });
}

Data published_data(const PublishedObjects& objects, const Fetch& message) {
  Data data{message.group, message.epoch, message.ino, message.request,
            message.asked, false,         {},          {}};
  data.contains = message.asked && objects.contains(message.asked);
  data.generation = objects.header(message.ino).generation;
  for (PageNo page = message.pages.first; page < message.pages.end(); ++page.value) {
    PublishedPage published = objects.page(message.ino, page);
    data.pages.push_back({page, published.version, std::move(published.bytes)});
  }
  return data;
}

void Directory::fetch(NodeId from, const Fetch& message, DirectorySends& out) {
  Data data = published_data(objects_, message);
  Object& object = table_[message.ino];
  for (const DataPage& page : data.pages) {
    if (planted(Planted::sharer_not_remembered)) break;
    Version& has = object.pages[page.page].sharers[from];  // [F1]
    has = std::max(has, page.version);
  }
  out.push_back({from, std::move(data)});
}

// [F10] What it was sent may be newer than what its kernel has got so far: never lowered.
void Directory::reported(NodeId node, const KernelCopy& copy) {
  Version& has = table_[copy.ino].pages[copy.page].sharers[node];
  has = std::max(has, copy.version);
}

void Directory::fetch_attr(NodeId from, const FetchAttr& message, DirectorySends& out) {
  Header header = objects_.header(message.ino);
  Version& has = table_[message.ino].header.sharers[from];
  has = std::max(has, header.version);
  out.push_back({from, Attr{group_, epoch_, message.ino, message.request, std::move(header),
                            objects_.times(message.ino)}});
}

// [C4] [A14] Only the committer, in the id's incarnation, if it has what was replaced and owes
// nothing of it.
bool Directory::exempt(const Entry& entry, NodeId sharer, Version has, Version replaced,
                       const CommitId& id) const {
  if (sharer != id.node) return false;
  if (planted(Planted::committer_always_exempt)) return true;
  const auto life = lives_.find(sharer);
  if (life != lives_.end() && life->second != id.incarnation) return false;
  return has == replaced && !entry.owes(sharer);
}

void Directory::owe(Entry& entry, NodeId node, const Published& record) {
  entry.owed.push_back({node, record.version, record.id});
  Wait& wait = waits_[record.id];
  wait.version = record.version;
  ++wait.left;
}

void Directory::announce_pages(Object& object, const Published& record, Announcement& out) {
  const NodeId committer = record.id.node;
  const auto life = lives_.find(committer);
  const bool same_life = life == lives_.end() || life->second == record.id.incarnation;
  for (const PageRun& run : record.unread_copies) {  // [F7] [C4] [D5]
    for (PageNo page = run.first; same_life && page < run.end(); ++page.value) {
      object.pages[page].sharers.try_emplace(committer, Version());
    }
  }
  const auto listed = [&](PageNo page) {  // [D1] [D5]
    return std::any_of(record.unread_copies.begin(), record.unread_copies.end(),
                       [&](const PageRun& run) { return run.contains(page); });
  };
  const auto tell = [&](PageNo page, Entry& entry, const ReplacedPage* written) {
    const bool cleared = record.cut_from && offset_of(page) + kPageSize > *record.cut_from;
    for (auto& [node, has] : entry.sharers) {
      if (has >= record.version) continue;
      // [D2] The truncator's kernel drops what its own SETATTR cut; were it told, its dirty pages
      // could not come before the answer, and the answer would not wait for anybody else.
      if (cleared && node == committer && same_life) {
        has = record.version;
        continue;
      }
      if (written != nullptr && !cleared) {
        const bool adopted = written->covered && node == committer && same_life && listed(page);
        if (adopted || exempt(entry, node, has, written->replaced, record.id)) {
          has = record.version;
          continue;
        }
      }
      owe(entry, node, record);
      append_page(out.pages[node], page);
    }
  };
  for (const ReplacedPage& written : record.pages) {
    const auto it = object.pages.find(written.page);
    if (it != object.pages.end()) tell(written.page, it->second, &written);
  }
  if (!record.cut_from) return;
  std::set<PageNo> told;
  for (const ReplacedPage& written : record.pages) told.insert(written.page);
  for (auto it = object.pages.lower_bound(page_of(*record.cut_from)); it != object.pages.end();
       ++it) {
    if (!told.contains(it->first)) tell(it->first, it->second, nullptr);
  }
}

void Directory::announce_header(Object& object, const Published& record, Announcement& out) {
  Entry& entry = object.header;
  if (record.header_changed) {
    for (auto& [node, has] : entry.sharers) {
      if (has >= record.version) continue;
      const Version replaced = has;  // a header sharer is told of every version: has is the last
      if (node == record.id.node && exempt(entry, node, has, replaced, record.id)) {
        has = record.version;  // the push of its own growth or cut [D2]
        continue;
      }
      owe(entry, node, record);
      out.header.insert(node);
    }
    return;
  }
  if (!record.waits_for_header || planted(Planted::no_change_no_wait)) return;
  std::set<NodeId> late;  // [C6] [1.10]
  for (const Owed& owed : entry.owed) late.insert(owed.node);
  for (const NodeId node : late) {
    entry.owed.push_back({node, record.header.version, record.id});
    Wait& wait = waits_[record.id];
    wait.version = record.version;
    ++wait.left;
  }
}

// [F8] Pages may come in any number of messages; what names too many cannot be read.
void Directory::send_inval(NodeId node, Inval inval, DirectorySends& out) const {
  for (PageRuns& pages : parts_of(inval.pages, pages_named_)) {
    out.push_back({node, Inval{group_, epoch_, inval.ino, inval.version, std::move(pages),
                               std::exchange(inval.header, {})}});
  }
}

bool Directory::published(const Published& record, DirectorySends& out) {
  const auto known = table_.try_emplace(record.ino).first;
  Object& object = known->second;
  Announcement announcement;
  announce_pages(object, record, announcement);
  announce_header(object, record, announcement);
  std::set<NodeId> nodes = announcement.header;
  for (const auto& [node, runs] : announcement.pages) nodes.insert(node);
  for (const NodeId node : nodes) {
    Inval inval{group_, epoch_, record.ino, record.version, {}, {}};
    inval.pages = std::move(announcement.pages[node]);
    if (announcement.header.contains(node)) inval.header = record.header;
    send_inval(node, std::move(inval), out);
  }
  forget_idle(known);
  return !waits_.contains(record.id);
}

void Directory::forget_idle(std::map<Ino, Object>::iterator it) {
  if (it->second.pages.empty() && it->second.header.idle()) table_.erase(it);
}

std::size_t Directory::pages_known() const {
  std::size_t pages = 0;
  for (const auto& [ino, object] : table_) pages += object.pages.size();
  return pages;
}

void Directory::settle(Entry& entry, NodeId node, Version upto, std::vector<CommitId>& done) {
  std::erase_if(entry.owed, [&](const Owed& owed) {
    if (owed.node != node || owed.version > upto) return false;
    const auto wait = waits_.find(owed.commit);
    DSPM_CHECK(wait != waits_.end() && wait->second.left > 0, owed.commit);
    if (--wait->second.left == 0) {
      done.push_back(owed.commit);
      waits_.erase(wait);
    }
    return true;
  });
}

std::vector<CommitId> Directory::invalidated(NodeId from, const Invalidated& message) {
  std::vector<CommitId> done;
  const auto found = table_.find(message.ino);
  if (found == table_.end()) return done;
  Object& object = found->second;
  for (const PageRun& run : message.pages) {
    for (auto it = object.pages.lower_bound(run.first);
         it != object.pages.end() && it->first < run.end();) {
      Entry& entry = it->second;
      const auto sharer = entry.sharers.find(from);
      if (sharer != entry.sharers.end() &&
          (sharer->second < message.version || planted(Planted::forget_by_node))) {
        entry.sharers.erase(sharer);  // [F10] [A15]
      }
      settle(entry, from, message.version, done);
      it = entry.idle() ? object.pages.erase(it) : std::next(it);
    }
  }
  if (message.header) {  // [F10] nobody is forgotten
    const auto sharer = object.header.sharers.find(from);
    if (sharer != object.header.sharers.end()) {
      sharer->second = std::max(sharer->second, message.version);
    }
    settle(object.header, from, message.version, done);
  }
  forget_idle(found);
  return done;
}

void Directory::peer_up(NodeId node, Incarnation incarnation, DirectorySends& out) {
  const auto life = lives_.find(node);
  const bool new_life = life == lives_.end() || life->second != incarnation;
  const bool first = life == lives_.end();
  lives_[node] = incarnation;
  for (auto at = table_.begin(); at != table_.end();) {
    const auto current = at++;
    const Ino ino = current->first;
    Object& object = current->second;
    std::map<Version, Inval> again;
    const auto inval = [&](Version version) -> Inval& {
      return again.try_emplace(version, Inval{group_, epoch_, ino, version, {}, {}}).first->second;
    };
    for (auto it = object.pages.begin(); it != object.pages.end();) {
      const PageNo page = it->first;
      Entry& entry = it->second;
      if (new_life && !first) entry.sharers.erase(node);
      Version newest;
      for (const Owed& owed : entry.owed) {
        if (owed.node == node) newest = std::max(newest, owed.version);
      }
      if (newest) append_page(inval(newest).pages, page);
      it = entry.idle() ? object.pages.erase(it) : std::next(it);
    }
    if (new_life && !first) object.header.sharers.erase(node);
    Version newest;
    for (const Owed& owed : object.header.owed) {
      if (owed.node == node) newest = std::max(newest, owed.version);
    }
    if (newest) inval(newest).header = objects_.header(ino);
    for (auto& [version, message] : again) send_inval(node, std::move(message), out);
    forget_idle(current);
  }
}

void Directory::check_invariants() const {
  std::map<CommitId, std::size_t> left;
  for (const auto& [ino, object] : table_) {
    for (const auto& [page, entry] : object.pages) {
      for (const Owed& owed : entry.owed) ++left[owed.commit];
    }
    for (const Owed& owed : object.header.owed) ++left[owed.commit];
  }
  DSPM_CHECK(left.size() == waits_.size(), left.size(), waits_.size());
  for (const auto& [id, wait] : waits_) DSPM_CHECK(left[id] == wait.left, id, wait.left);
}

}  // namespace dspm::dsm
