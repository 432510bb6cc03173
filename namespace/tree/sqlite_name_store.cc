#include "namespace/tree/sqlite_name_store.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "namespace/cluster/sqlite_db.h"
#include "utils/base/limits.h"

namespace dspm::names {
namespace {

constexpr std::size_t kBatch = 64;  // transactions in one commit of the file

class SqliteNameStore final : public NameStore {
 public:
  SqliteNameStore(const std::string& file, Post post, ApplyDelta apply_delta)
      : db_(file, kAnswerTimeout), post_(std::move(post)), apply_delta_(apply_delta) {
    SqliteTransaction t(db_, true);
    db_.run("CREATE TABLE IF NOT EXISTS name_meta(k TEXT PRIMARY KEY, v INT)");
    db_.run(
        "CREATE TABLE IF NOT EXISTS names(key BLOB PRIMARY KEY, value BLOB, rev INT, created INT,"
        " folder BLOB) WITHOUT ROWID");
    // list() of a large directory page by page, without sorting it each time.
    db_.run("CREATE INDEX IF NOT EXISTS names_in_order ON names(folder, created)");
    db_.run(
        "CREATE TABLE IF NOT EXISTS name_txns(node INT, incarnation INT, sequence INT, rev INT,"
        " PRIMARY KEY(node, incarnation, sequence)) WITHOUT ROWID");
    // Revisions begin above the cursors of `.` and `..`.
    db_.run("INSERT OR IGNORE INTO name_meta VALUES('rev', 2)");
    t.commit();
    db_.sync_apart();
    thread_ = std::thread([this] { work(); });
  }
  ~SqliteNameStore() override { close(); }

  void get(std::vector<Key> keys, Done<Snapshot> done) override {
    push({[this, keys = std::move(keys), done = std::move(done)] {
            finish<Snapshot>(done, [&] { return read(keys); });
          },
          {},
          {}});
  }
  void list(Key prefix, Rev after, std::size_t limit, Done<Listing> done) override {
    push({[this, prefix = std::move(prefix), after, limit, done = std::move(done)] {
            finish<Listing>(done, [&] { return read_list(prefix, after, limit); });
          },
          {},
          {}});
  }
  void txn(Txn txn, std::function<void(TxnReply)> done) override {
    push({{}, std::move(txn), std::move(done)});
  }
  void outcome(TxnId id, std::function<void(TxnReply)> done) override {
    push({[this, id, done = std::move(done)] {
            TxnReply reply;
            try {
              // Whatever this engine was asked before has ended: what is not there never was, and
              // never will be.
              db_.each(
                  "SELECT rev FROM name_txns WHERE node=? AND incarnation=? AND sequence=?",
                  [&](SqliteDb::Row row) {
                    reply.outcome = TxnOutcome::committed;
                    reply.rev = Rev(row.number(0));
                  },
                  std::uint64_t{id.node.value}, id.incarnation.value, id.sequence);
            } catch (const SqliteError& e) {
              reply.outcome = TxnOutcome::unknown;
              reply.what = e.what();
            }
            post_([done, reply] { done(reply); });
          },
          {},
          {}});
  }
  void close() override {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return;
      closed_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  struct Work {
    std::function<void()> read;  // empty: a transaction
    Txn txn;
    std::function<void(TxnReply)> done;
  };
  void push(Work work) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return;
      queue_.push_back(std::move(work));
    }
    wake_.notify_one();
  }
  void work() {
    for (;;) {
      std::vector<Work> batch;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return closed_ || !queue_.empty(); });
        if (closed_) return;
        const bool reads = bool(queue_.front().read);
        while (!queue_.empty() && bool(queue_.front().read) == reads && batch.size() < kBatch) {
          batch.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
      }
      if (batch.front().read) {
        for (Work& w : batch) w.read();
      } else {
        run_batch(batch);
      }
    }
  }
  template <class T, class F>
  void finish(const Done<T>& done, F read) {
    try {
      SqliteTransaction t(db_, false);
      auto value = std::make_shared<T>(read());
      t.commit();
      post_([done, value] { done(std::move(*value)); });
    } catch (const SqliteError& e) {
      post_([done, what = std::string(e.what())] { done(Error{Status::unavailable, what}); });
    }
  }

  std::optional<Entry> find(const Key& key) {
    std::optional<Entry> out;
    db_.each(
        "SELECT value, rev, created FROM names WHERE key=?",
        [&](SqliteDb::Row row) {
          out = Entry{key, row.text(0), Rev(row.number(1)), Rev(row.number(2))};
        },
        key);
    return out;
  }
  Snapshot read(const std::vector<Key>& keys) {
    Snapshot out;
    for (const Key& key : keys) {
      if (auto entry = find(key)) out.entries.push_back(std::move(*entry));
    }
    return out;
  }
  Listing read_list(const Key& prefix, Rev after, std::size_t limit) {
    Listing out;
    out.rev = Rev(db_.number("SELECT v FROM name_meta WHERE k='rev'"));
    db_.each(
        "SELECT key, value, rev, created FROM names WHERE folder=? AND created>?"
        " ORDER BY created LIMIT ?",
        [&](SqliteDb::Row row) {
          out.entries.push_back({row.text(0), row.text(1), Rev(row.number(2)), Rev(row.number(3))});
        },
        prefix, after, std::uint64_t{limit});
    return out;
  }

  void run_batch(std::vector<Work>& batch) {
    std::vector<TxnReply> replies(batch.size());
    bool at_commit = false;
    try {
      // The file is locked for as long as this takes, also where the process is stopped meanwhile:
      // no more than that is in here.
      {
        SqliteTransaction t(db_, true);
        for (std::size_t i = 0; i < batch.size(); ++i) replies[i] = apply(batch[i].txn);
        at_commit = true;
        t.commit();
      }
      db_.sync();
    } catch (const SqliteError& e) {
      for (TxnReply& reply : replies) {
        reply = {at_commit ? TxnOutcome::unknown : TxnOutcome::refused, 0, {}, e.what()};
      }
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      post_([done = std::move(batch[i].done), reply = std::move(replies[i])] { done(reply); });
    }
  }

  // All guards are looked at before anything is written; a value that cannot take a delta refuses.
  TxnReply apply(const Txn& txn) {
    TxnReply reply;
    bool holds = true;
    for (const Guard& guard : txn.guards) {
      std::optional<Entry> entry = find(guard.key);
      switch (guard.is) {
        case Guard::Is::at:
          holds = holds && entry && entry->rev == guard.rev;
          break;
        case Guard::Is::absent:
          holds = holds && !entry;
          break;
        case Guard::Is::present:
          holds = holds && entry;
          break;
      }
      if (entry) reply.seen.push_back(std::move(*entry));
    }
    if (!holds) {
      reply.outcome = TxnOutcome::lost;
      return reply;
    }
    std::vector<Value> values(txn.ops.size());
    reply.seen.clear();
    std::map<Key, Value> added;  // two deltas of one directory follow each other
    for (std::size_t i = 0; i < txn.ops.size(); ++i) {
      const Op& op = txn.ops[i];
      if (op.value.size() > kMaxValue) return {TxnOutcome::refused, 0, {}, "value too large"};
      if (op.kind != Op::Kind::add) continue;
      const std::optional<Entry> entry = find(op.key);
      if (!added.contains(op.key) && !entry) {
        return {TxnOutcome::refused, 0, {}, "no directory to change: " + op.key};
      }
      Result<Value> value =
          apply_delta_(added.contains(op.key) ? added[op.key] : entry->value, op.delta);
      if (!value) return {TxnOutcome::refused, 0, {}, value.error().what};
      values[i] = added[op.key] = *value;
    }
    return write(txn, values);
  }

  TxnReply write(const Txn& txn, const std::vector<Value>& values) {
    Rev rev = Rev(db_.number("SELECT v FROM name_meta WHERE k='rev'"));
    if (txn.ops.empty()) return {TxnOutcome::committed, rev, {}, {}};
    ++rev;
    for (std::size_t i = 0; i < txn.ops.size(); ++i) {
      const Op& op = txn.ops[i];
      if (op.kind == Op::Kind::erase) {
        db_.run("DELETE FROM names WHERE key=?", op.key);
      } else {
        const Key folder = op.key.substr(0, op.key.rfind('/') + 1);
        db_.run(
            "INSERT INTO names VALUES(?1,?2,?3,?3,?4)"
            " ON CONFLICT(key) DO UPDATE SET value=?2, rev=?3",
            op.key, op.kind == Op::Kind::put ? op.value : values[i], rev, folder);
      }
    }
    db_.run("UPDATE name_meta SET v=? WHERE k='rev'", rev);
    if (txn.id.node) {
      db_.run("INSERT OR REPLACE INTO name_txns VALUES(?,?,?,?)", std::uint64_t{txn.id.node.value},
              txn.id.incarnation.value, txn.id.sequence, rev);
      const std::uint64_t node = txn.id.node.value;
      db_.run("DELETE FROM name_txns WHERE node=? AND incarnation<?", node,
              txn.id.incarnation.value);
      db_.run("DELETE FROM name_txns WHERE node=? AND incarnation=? AND sequence<?", node,
              txn.id.incarnation.value, txn.done_below);
    }
    return {TxnOutcome::committed, rev, {}, {}};
  }

  SqliteDb db_;  // the engine's thread
  Post post_;
  ApplyDelta apply_delta_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<NameStore>> open_sqlite_name_store(const std::string& file, Post post,
                                                          ApplyDelta apply_delta) {
  try {
    return std::unique_ptr<NameStore>(
        std::make_unique<SqliteNameStore>(file, std::move(post), apply_delta));
  } catch (const SqliteError& e) {
    return Error{Status::io_error, e.what()};
  }
}

}  // namespace dspm::names
