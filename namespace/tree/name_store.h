// Port: where names live (10-names.md). Asynchronous: called and completed on the loop, never
// inside the call; engines batch and own their threads. Every answered transaction is seen by the
// next read on any node.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "utils/base/ids.h"
#include "utils/base/result.h"
#include "utils/base/time.h"

namespace dspm::names {

using Key = std::string;    // `ino/…`, `ns/…`, `orphan/…`, `cfg/…`
using Value = std::string;  // bytes; at most kMaxValue
using Rev = std::uint64_t;  // 0 = absent; compare for equality; ordered within one directory only
inline constexpr std::size_t kMaxValue = std::size_t{1} << 20;

struct Entry {
  Key key;
  Value value;
  Rev rev = 0;      // of its last change
  Rev created = 0;  // of its creation
};
// [10-names] A loser reads again and retries.
struct Guard {
  enum class Is : unsigned char { at, absent, present } is = Is::absent;
  Key key;
  Rev rev = 0;  // with Is::at
};
// Change of a directory by whoever adds or removes a name, without guarding its revision.
struct Delta {
  std::int64_t entries = 0, nlink = 0;
  WallTime stamp;  // mtime = ctime = max(stamp, old + 1 ns)
};
struct Op {
  enum class Kind : unsigned char { put, erase, add } kind = Kind::put;
  Key key;
  Value value;  // put
  Delta delta;  // add; the key must be guarded present
};
struct TxnId {
  NodeId node;
  Incarnation incarnation;
  std::uint64_t sequence = 0;
  bool operator==(const TxnId&) const = default;
};
struct Txn {
  TxnId id;
  std::uint64_t done_below = 0;  // outcomes of this node's older ids may be forgotten
  std::vector<Guard> guards;
  std::vector<Op> ops;
};
enum class TxnOutcome : unsigned char {
  committed,
  lost,     // a guard did not hold; `seen` has what the guarded keys are
  refused,  // surely not applied
  unknown,  // ask outcome()
};
struct TxnReply {
  TxnOutcome outcome = TxnOutcome::refused;
  Rev rev = 0;  // committed: of the transaction
  std::vector<Entry> seen;
  std::string what;  // refused, unknown: for people
};
struct Snapshot {  // one entry a key that is there
  std::vector<Entry> entries;
  const Entry* find(const Key& key) const;
};
struct Listing {  // ascending by `created`
  std::vector<Entry> entries;
  Rev rev = 0;  // newest revision that the listing saw
};

class NameStore {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;
  virtual ~NameStore() = default;

  // All keys as of one moment. Errors: unavailable, closed.
  virtual void get(std::vector<Key> keys, Done<Snapshot> done) = 0;
  // Entries `prefix` + name created after `after`, at most `limit`. A prefix ends in '/', a name
  // has none.
  virtual void list(Key prefix, Rev after, std::size_t limit, Done<Listing> done) = 0;
  // All or nothing.
  virtual void txn(Txn txn, std::function<void(TxnReply)> done) = 0;
  // What became of a transaction whose reply was unknown; refused = never applied, and never will
  // be.
  virtual void outcome(TxnId id, std::function<void(TxnReply)> done) = 0;
  // Nothing completes after it.
  virtual void close() = 0;
};

// How an engine gets back to the loop: runs the function there, later. Any thread.
using Post = std::function<void(std::function<void()>)>;
// Applies a Delta to a stored directory record; engines know nothing else of values.
using ApplyDelta = Result<Value> (*)(const Value& value, const Delta& delta);

}  // namespace dspm::names
