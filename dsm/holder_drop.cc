// A new epoch of a group: what this kernel has of it goes, and its primary hears when it has gone
// (3-protocol L5, Drop); what this kernel has, for the log's acknowledgements (C5).
#include <algorithm>

#include "dsm/holder.h"

namespace dspm::dsm {

// Headers are asked again, pages go, what is staged stays. Versions go on through epochs [P6], so
// floors hold.
void Holder::group_reset(GroupId group, Time now, HolderEffects& out) {
  drops_.erase(group);
  for (auto& [ino, object] : objects_) {
    if (object.home != group) continue;
    Context c{ino, object, now, out};
    object.stale = object.known || object.stale;
    object.known = false;
    object.header_owed = Version();
    for (auto& [unique, read] : object.reads) {
      for (auto& got : read.got) got.reset();
    }
    for (auto& [number, waiting] : object.attrs) waiting.times.reset();
    for (auto& [number, page] : object.pages) page.owed = Version();
    drop_copies(c);
    object.dropping.clear();
    for (const auto& [ticket, job] : object.jobs) object.dropping.insert(ticket);
    object.fetching_header = object.has_told;
    object.header_request = ++request_;
  }
  gathered_.clear();
  ask_again(group, now, out);
  for (const Ino ino : objects()) finish(ino, out);
}

void Holder::drop(GroupId group, NodeId primary, Time now, HolderEffects& out) {
  drops_[group] = primary;
  for (auto& [ino, object] : objects_) {
    if (object.home == group) resize_step({ino, object, now, out});  // [1.14]
  }
  check_drops(out);
}

// [1.12] Neither pages nor a size from before the epoch: the header has been heard and, where it
// differs, told.
bool Holder::dropped(GroupId group) const {
  return std::none_of(objects_.begin(), objects_.end(), [&](const auto& entry) {
    const Object& object = entry.second;
    if (object.home != group || !object.has_told) return false;
    return !object.dropping.empty() || !object.known || object.push.wanted ||
           object.push.phase != Push::Phase::none;
  });
}

void Holder::check_drops(HolderEffects& out) {
  for (auto it = drops_.begin(); it != drops_.end();) {
    const GroupView* view = groups_.find(it->first);
    if (view == nullptr || !dropped(it->first)) {
      ++it;
      continue;
    }
    out.push_back(DroppedGroup{it->first, it->second});
    it = drops_.erase(it);
  }
}

// [C5] A READ in flight may be answered with what it has got.
void Holder::kernel_copies(Ino ino, const PageRun& pages, std::vector<KernelCopy>& out) const {
  const auto object = objects_.find(ino);
  if (object == objects_.end()) return;
  const auto& known = object->second.pages;
  for (auto it = known.lower_bound(pages.first); it != known.end() && it->first < pages.end();
       ++it) {
    const PageState& page = it->second;
    if (page.reads > 0) {
      out.push_back({ino, it->first, Version()});
    } else if (page.copy) {
      out.push_back({ino, it->first, page.version});
    }
  }
}

}  // namespace dspm::dsm
