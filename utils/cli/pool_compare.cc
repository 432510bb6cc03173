// Are replicas of a group the same?
#include <algorithm>
#include <map>
#include <sstream>

#include "commit/frame_table.h"
#include "commit/frames.h"
#include "utils/cli/pool_view.h"

namespace dspm::cli {
namespace {

using commit::Frames;

// A group as one pool has it, with what is decided folded.
struct Replica {
  const std::string* path = nullptr;
  commit::Pool* pool = nullptr;
  const commit::RecoveredGroup* group = nullptr;
  std::unique_ptr<Frames> frames;
  Lsn applied;

  void fold(Lsn decided) {
    frames = std::make_unique<Frames>(*pool, group->group);
    applied = group->applied;
    for (const commit::RecordRef& record : group->records) {
      if (record->lsn > decided) break;
      frames->fold(*record);
      applied = record->lsn;
    }
  }
};

using Object = Frames::ObjectState;
struct Page {
  Version version;
  std::array<std::uint32_t, commit::format::kUnits> crcs{};
};

class Comparison {
 public:
  Comparison(const Replica& a, const Replica& b, std::vector<std::string>& out)
      : a_(a), b_(b), upto_(std::min(a.applied, b.applied)), out_(out) {}

  void run() {
    std::map<Ino, std::pair<const Object*, const Object*>> objects;
    const auto here = a_.frames->all(), there = b_.frames->all();
    for (const Object& object : here) objects[object.ino].first = &object;
    for (const Object& object : there) objects[object.ino].second = &object;
    static const Object kNone{};
    for (const auto& [ino, both] : objects)
      compare(ino, both.first ? *both.first : kNone, both.second ? *both.second : kNone);
  }

 private:
  static std::map<PageNo, Page> pages_of(const Replica& replica, const Object& object) {
    std::map<PageNo, Page> pages;
    for (const auto& page : object.pages)
      pages[page.page] = {page.version, replica.pool->frames().unit_crcs(page.frame)};
    return pages;
  }

  void compare(Ino ino, const Object& a, const Object& b) {
    if (a.header != b.header && std::max(a.header.version, b.header.version) <= upto_)
      say(ino, "size or cuts");
    const auto here = pages_of(a_, a), there = pages_of(b_, b);
    for (const auto& [number, page] : here) {
      const auto other = there.find(number);
      if (other == there.end()) {
        if (page.version <= upto_ && b.cleared <= upto_) say(ino, page_text(number));
      } else if (std::max(page.version, other->second.version) <= upto_ &&
                 (page.version != other->second.version || page.crcs != other->second.crcs)) {
        say(ino, page_text(number));
      }
    }
    for (const auto& [number, page] : there)
      if (!here.contains(number) && page.version <= upto_ && a.cleared <= upto_)
        say(ino, page_text(number));
  }

  static std::string page_text(PageNo page) { return "page " + std::to_string(page.value); }

  void say(Ino ino, const std::string& what) {
    std::ostringstream text;
    text << "group " << a_.group->group << ", object " << ino << ": " << what << " differs in "
         << *a_.path << " and " << *b_.path << " (up to " << upto_ << ')';
    out_.push_back(text.str());
  }

  const Replica &a_, &b_;
  const Lsn upto_;
  std::vector<std::string>& out_;
};

}  // namespace

std::vector<std::string> differences(std::vector<ViewedPool>& pools) {
  std::map<GroupId, std::vector<Replica>> groups;
  for (ViewedPool& pool : pools)
    for (const commit::RecoveredGroup& group : pool.opened.groups)
      groups[group.group].push_back({&pool.path, pool.opened.pool.get(), &group, nullptr, {}});
  std::vector<std::string> out;
  for (auto& [group, replicas] : groups) {
    if (replicas.size() < 2) continue;
    Lsn decided;
    for (const Replica& replica : replicas) decided = std::max(decided, replica.group->decided);
    for (Replica& replica : replicas) replica.fold(decided);
    for (std::size_t i = 1; i < replicas.size(); ++i)
      Comparison(replicas[0], replicas[i], out).run();
  }
  return out;
}

}  // namespace dspm::cli
