// Wrong rules on purpose, so that the simulation can show that it would notice them. Compiled in
// only where DSPM_PLANTED is defined (the simulator's own copy of the machines); elsewhere
// planted() is a constant false and the wrong rule is not in the program.
#pragma once

namespace dspm {

enum class Planted {
  none,
  twin_not_updated,         // a mapped WRITE does not become the twin [F5]
  twin_dropped,             // the twin goes when notify returns [2-kernel rule 7]
  twin_patched_always,      // also where the kernel's page may lack the bytes [F6]
  whole_page_staged,        // a mapped WRITE is staged whole, not as its difference [F5]
  floor_ignored,            // an old answer is given to the kernel [F3]
  bar_ignored,              // Invalidated is answered before the kernel has dropped the page [F8]
  whole_page_forgotten,     // a whole-page write() is no copy [F7]
  copies_not_listed,        // Commit does not list copies that no READ gave [F7]
  second_outlives,          // the second value survives a mapped WRITE of its byte [F6]
  rewrite_race_ignored,     // 2-kernel rule 8 left out
  committer_always_exempt,  // [C4] without its conditions
  overlay_always,           // own frozen bytes over an answer that already has them [F3]
  asked_before_freeze,      // an answer asked before the freeze is taken [F3]
  no_decided,               // Decided is never sent [C3]
  sharer_not_remembered,    // a Fetch registers nobody [F1]
  forget_by_node,           // Invalidated removes a newer registration [F10]
  truncate_answered_early,  // SETATTR(size) answered before its decision [Z9]
  staged_not_cut,           // [Z6]
  copies_not_marked,        // [Z6]
  generation_not_checked,   // [Z3]
  told_when_learnt,         // a size is named before it is told [Z8]
  told_when_pushed,         // told rises only after the push [Z8]
  push_not_awaited,         // Invalidated of a header before the kernel knows the size [Z8]
  push_during_setattr,      // [Z9]
  inode_not_awaited,        // a size that came before its inode is not told again [Z8]
  late_setattr_ignored,     // a push does not wait for the SETATTR answer's ctime [Z9]
  old_end_stays,            // a growth does not invalidate from the old end [Z8.4]
  no_change_no_wait,        // [C6]
  outcome_forgotten,        // a resent commit counts twice [C7]
  no_resend,                // what was unanswered is not sent again [M1]
  answer_before_ack,        // decided without the backups [C2]
  ack_without_copies,       // a backup does not say what its kernel holds [C5]
  ack_before_durable,       // a backup acknowledges what is not durable [C2]
  local_read_undecided,     // a backup answers its kernel despite an undecided record [F2]
  done_before_dropped,      // after a take-over FSYNCs do not wait for Dropped [L5]
  nothing_fetched,          // a new primary takes its own log for the truth [E2]
  // ---- the pool (13-media)
  crc_not_checked,          // a fragment's CRC
  position_not_checked,     // nor the chain: records of the lap before are valid [E1]
  last_fragment_skipped,    // recovery ends one fragment early
  fragments_missing,        // a record without some of its fragments is taken
  rot_taken_for_torn,       // a damaged record in the middle ends the log [N9]
  durable_is_end,           // a fragment calls itself durable [P6]
  decided_not_logged,       // [E6]
  replay_by_version,        // a record at or below the frame's version is skipped [E3]
  late_frames_kept,         // frames newer than the checkpoint exist
  late_frames_not_erased,   // they stay on media
  let_go_not_undone,        // a frame that was let go behind the checkpoint stays so
  frame_count_not_checked,  // [E4]
  unit_crc_not_checked,     // of frames
  folds_not_synced,         // before the checkpoint record
  trimmed_without_anchor,   // the log is reused, and no anchor names the checkpoint
  anchor_before_record,     // the anchor names a checkpoint that is not durable
  live_not_copied,          // undecided records are not carried over a checkpoint
  frame_reused_early,       // a frame is free as soon as it is let go
  pinned_frame_written,     // [P5]
  outcomes_not_saved,       // [C7]
  no_sync_at_recovery,      // [E5]
  superblock_first,         // at creation
};

#ifdef DSPM_PLANTED
inline Planted g_planted = Planted::none;  // the simulator's thread only
inline bool planted(Planted bug) { return g_planted == bug; }
#else
constexpr bool planted(Planted) { return false; }
#endif

}  // namespace dspm
