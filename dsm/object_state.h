// What the holder keeps of one object: its pages, what is staged and frozen, whoever waits. Plain
// state; the rules are in holder_*.cc.
#pragma once

#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "dsm/events.h"
#include "dsm/messages.h"
#include "dsm/page_state.h"
#include "dsm/stage.h"

namespace dspm::dsm {

// A commit sent and not yet decided [C1].
struct Frozen {
  CommitId id;
  Stage stage;
  std::optional<std::uint64_t> set_size;
  std::optional<ExplicitTimes> times;
  std::optional<WallTime> stamp;  // with set_size: when it was asked
  PageRuns unread_copies;         // as listed in the attempt that was sent [F7]
  bool submitted = false;         // else it waits for the header, whose generation it names
};

// What waits to become a commit, in order.
struct PendingCommit {
  enum class Kind : unsigned char { sync, early, resize, times } kind = Kind::sync;
  Unique unique;             // 0 = nobody waits (background)
  std::uint64_t handle = 0;  // sync: that asked
  bool flush = false;
  std::uint64_t size = 0;
  WallTime stamp;
  ExplicitTimes times;
  Time deadline = kNever;
};

// A request answered when every own commit of the object up to `sequence` is Done [C6].
struct CommitWait {
  Unique unique;
  std::uint64_t sequence = 0;
  Time deadline = kNever;
};

// SETATTR(size) between its request and its answer [Z9].
struct Resize {
  Unique unique;
  std::uint64_t size = 0;
  std::uint64_t sequence = 0;  // of its commit; 0 = not frozen yet
  bool decided = false;
  bool done = false;
  bool raising = false;             // i_size is being raised beyond it first [1.16]
  bool answered = false;            // AttrAnswer given; SetattrAnswered not heard yet
  std::uint64_t low = 0, high = 0;  // kernel_size, kernel_high before it was answered
  Time deadline = kNever;
};

struct ReadInFlight {
  ReadRequest request;
  bool started = false;  // else it waits for the header
  PageRun pages;
  std::vector<std::optional<DataPage>> got;  // one a page
  std::vector<CommitId> asked;               // frozen commit named in its Fetch [A12]
  std::vector<bool> contains;                // the answer has that commit
  std::vector<Generation> generation;        // of the home when it answered [Z7]
  Time deadline;
};

struct AttrInFlight {
  AttrRequest request;
  std::optional<Times> times;  // come; now it waits for a push
  Time deadline;
};

// An invalidator job of this object that has not returned [F9].
struct RunningJob {
  PageRun pages;             // what it drops; count 0 = none
  bool open = false;         // the drop before the first writable OPEN [F4]
  bool push = false;         // tells the kernel a size [Z8]
  Unique resize;             // raises i_size before the answer of this SETATTR [1.16]
  std::vector<Unique> held;  // OPENs or rule 8's write()s that wait for it
  Time release = kNever;     // rule 8: answered at the latest then
  bool counts_writes = false;
  bool evicts = false;  // makes room: the twins of its pages go too [F4]
};

// Telling the kernel a size that it does not know [Z8].
struct Push {
  bool wanted = false;
  enum class Phase : unsigned char { none, voiding, dropping } phase = Phase::none;
  Ticket ticket;
  Version version;                  // of the header that this push tells
  std::uint64_t from = kNoCut;      // lowest old end or cut since the last push
  std::uint64_t own_from = kNoCut;  // the same of own growths, which may hide another's [C4]
  bool grows = false;
  Time not_before{};    // the kernel had no inode to tell it to
  bool undone = false;  // a SETATTR was answered meanwhile: it must be told again [1.15]
};

struct ObjectState {
  GroupId home;
  bool forgotten = false;  // FORGET came while something was in flight: it goes after that
  std::map<PageNo, PageState> pages;

  // ---- size [Z6] [Z8]
  Header header;
  bool known = false;      // header heard in this epoch of the home group
  bool stale = false;      // not known, but heard in an earlier epoch
  std::uint64_t told = 0;  // size this kernel has been told, own staged write()s over it
  bool has_told = false;
  std::uint64_t kernel_size = 0;  // lowest size the kernel may believe
  std::uint64_t kernel_high = 0;  // highest; falls by a SETATTR answer or a push that shrinks
  Push push;
  // An answer that the kernel may still be making its inode of: a size told meanwhile is lost [Z8].
  Time inode_until{};
  Version header_owed;         // Invalidated of the header is owed up to here; 0 = none
  std::uint32_t setattrs = 0;  // AttrAnswers of SETATTRs whose SetattrAnswered is to come
  std::optional<WallTime> setattr_ctime;
  // The kernel may still be cutting its pages for a SETATTR(size) whose answer it has applied:
  // until then, or until the inode lock is seen to be free again, no growth is told
  // (docs/protocol.md).
  Time cutting_until{};

  // A size below what the kernel may have was named while this many write()s had been answered: the
  // next one may have copied its bytes into a page that this then cuts (docs/protocol.md).
  std::uint64_t count_at_shrink = kNoCount;
  std::uint64_t shrunk_to = kNoCut;
  std::set<PageNo> zeroing;  // pages whose end the kernel may still be zeroing

  // ---- bytes
  Stage staged;
  std::optional<Frozen> frozen;
  std::uint64_t answered_writes = 0;  // [2-kernel rule 8]
  // What is remembered of pages that are known no more: their latest count_at_notify.
  std::uint64_t forgotten_at_notify = kNoCount;
  std::uint64_t counted_staged = 0;  // its part of the node's staged pages

  // ---- memory is short
  struct Late {
    Time at;
    PageRun pages;
  };
  std::deque<Late> late_twins;  // of dropped pages, which a WRITE on its way may still need [F4]
  struct Held {
    Unique unique;
    Time at;
  };
  std::deque<Held> slowed;  // write()s that are answered then [2-kernel rule 2]

  // ---- who waits
  std::deque<PendingCommit> queue;
  std::vector<std::uint64_t> settling;  // sequences decided or frozen and not Done
  std::vector<CommitWait> waits;
  std::optional<Resize> resize;
  std::map<Unique, ReadInFlight> reads;
  std::map<std::uint64_t, AttrInFlight> attrs;
  bool fetching_header = false;
  std::uint64_t header_request = 0;  // of that FetchAttr
  std::map<Ticket, RunningJob> jobs;
  Ticket open_drop;           // 0 = none
  std::set<Ticket> dropping;  // jobs that were running when the epoch began [L5]

  std::uint32_t opens = 0, writable_opens = 0;
  std::map<std::uint64_t, bool> handles;  // open; true: its next FSYNC says EIO [F11]
  Time twins_until = kNever;              // no writable handle: twins go then
};

}  // namespace dspm::dsm
