#include "tests/sim/planted_names.h"

namespace dspm::sim {

const std::vector<std::pair<const char*, Planted>>& planted_bugs() {
  static const std::vector<std::pair<const char*, Planted>> bugs{
      {"twin_not_updated", Planted::twin_not_updated},
      {"twin_dropped", Planted::twin_dropped},
      {"twin_patched_always", Planted::twin_patched_always},
      {"whole_page_staged", Planted::whole_page_staged},
      {"floor_ignored", Planted::floor_ignored},
      {"bar_ignored", Planted::bar_ignored},
      {"whole_page_forgotten", Planted::whole_page_forgotten},
      {"copies_not_listed", Planted::copies_not_listed},
      {"second_outlives", Planted::second_outlives},
      {"rewrite_race_ignored", Planted::rewrite_race_ignored},
      {"committer_always_exempt", Planted::committer_always_exempt},
      {"overlay_always", Planted::overlay_always},
      {"asked_before_freeze", Planted::asked_before_freeze},
      {"no_decided", Planted::no_decided},
      {"sharer_not_remembered", Planted::sharer_not_remembered},
      {"forget_by_node", Planted::forget_by_node},
      {"truncate_answered_early", Planted::truncate_answered_early},
      {"staged_not_cut", Planted::staged_not_cut},
      {"copies_not_marked", Planted::copies_not_marked},
      {"generation_not_checked", Planted::generation_not_checked},
      {"told_when_learnt", Planted::told_when_learnt},
      {"told_when_pushed", Planted::told_when_pushed},
      {"push_not_awaited", Planted::push_not_awaited},
      {"push_during_setattr", Planted::push_during_setattr},
      {"inode_not_awaited", Planted::inode_not_awaited},
      {"late_setattr_ignored", Planted::late_setattr_ignored},
      {"old_end_stays", Planted::old_end_stays},
      {"no_change_no_wait", Planted::no_change_no_wait},
      {"outcome_forgotten", Planted::outcome_forgotten},
      {"no_resend", Planted::no_resend},
      {"answer_before_ack", Planted::answer_before_ack},
      {"ack_without_copies", Planted::ack_without_copies},
      {"ack_before_durable", Planted::ack_before_durable},
      {"local_read_undecided", Planted::local_read_undecided},
      {"done_before_dropped", Planted::done_before_dropped},
      {"nothing_fetched", Planted::nothing_fetched},
  };
  return bugs;
}

Planted find_planted(const std::string& name) {
  for (const auto& [known, bug] : planted_bugs())
    if (name == known) return bug;
  return Planted::none;
}

}  // namespace dspm::sim
