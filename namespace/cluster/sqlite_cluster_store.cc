#include "namespace/cluster/sqlite_cluster_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "namespace/cluster/sqlite_db.h"

namespace dspm::names {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(25);
constexpr auto kPatience = std::chrono::seconds(5);

// One living process a session: flock(2) ends with it, however it ends.
class LifeLock {
 public:
  static Result<LifeLock> take(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return Error{Status::io_error, path + ": " + std::strerror(errno)};
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      return Error{Status::busy, "another daemon of this node is running (" + path + " is locked)"};
    }
    return LifeLock(fd);
  }
  LifeLock(LifeLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  LifeLock& operator=(LifeLock&&) = delete;
  ~LifeLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit LifeLock(int fd) : fd_(fd) {}
  int fd_;
};

class SqliteClusterStore final : public ClusterStore {
 public:
  explicit SqliteClusterStore(const std::string& file)
      : file_(file), db_(file, kPatience), poll_db_(file, kPatience) {
    SqliteTransaction t(db_, true);
    db_.run("CREATE TABLE IF NOT EXISTS store_meta(k TEXT PRIMARY KEY, v)");
    db_.run(
        "CREATE TABLE IF NOT EXISTS store(key BLOB PRIMARY KEY, value BLOB, created INT,"
        " modified INT, lease INT) WITHOUT ROWID");
    db_.run(
        "CREATE TABLE IF NOT EXISTS store_log(n INTEGER PRIMARY KEY, rev INT, erased INT, key BLOB,"
        " value BLOB, created INT, lease INT)");
    db_.run("CREATE INDEX IF NOT EXISTS store_log_rev ON store_log(rev)");
    db_.run("INSERT OR IGNORE INTO store_meta VALUES('rev',0),('compacted',0)");
    std::random_device random;
    char id[20];
    std::snprintf(id, sizeof id, "%08x%08x", random(), random());
    db_.run("INSERT OR IGNORE INTO store_meta VALUES('id',?)", std::string(id));
    t.commit();
    thread_ = std::thread([this] { poll(); });
  }
  ~SqliteClusterStore() override {
    close();
    thread_.join();
  }
  void close() override {
    std::lock_guard lock(watch_mutex_);
    closed_ = true;
    wake_.notify_all();
  }

  Result<std::optional<StoreEntry>> get(const std::string& key) override {
    return locked<std::optional<StoreEntry>>(false, [&] { return find(key); });
  }
  Result<StoreListing> list(const std::string& prefix) override {
    return locked<StoreListing>(false, [&] {
      StoreListing out;
      out.rev = rev();
      db_.each(
          "SELECT key,value,created,modified,lease FROM store"
          " WHERE substr(key,1,length(?1))=?1 ORDER BY key",
          [&](SqliteDb::Row row) { out.entries.push_back(entry(row)); }, prefix);
      return out;
    });
  }
  Result<StoreReply> txn(const std::vector<StoreGuard>& guards,
                         const std::vector<StoreOp>& ops) override {
    if (Error bad = check_txn(guards, ops); bad.status != Status::ok) return bad;
    auto reply = locked<StoreReply>(true, [&] { return apply(guards, ops); });
    wake();
    return reply;
  }
  Result<std::unique_ptr<Watch>> watch(const std::string& prefix, StoreRev after,
                                       std::function<void(const StoreBatch&)> on_batch) override {
    return std::unique_ptr<Watch>(
        std::make_unique<WatchImpl>(*this, prefix, after, std::move(on_batch)));
  }
  Result<std::unique_ptr<Session>> session(const std::string& key, const std::string& value,
                                           Duration) override;
  Result<StoreRev> compact(StoreRev keep_from) override {
    auto kept = locked<std::optional<StoreRev>>(true, [&]() -> std::optional<StoreRev> {
      if (keep_from > rev()) return std::nullopt;
      if (keep_from > compacted()) {
        db_.run("DELETE FROM store_log WHERE rev<?", keep_from);
        db_.run("UPDATE store_meta SET v=? WHERE k='compacted'", keep_from);
      }
      return compacted();
    });
    if (!kept) return kept.error();
    if (!*kept) return Error{Status::invalid, "compact beyond the newest revision"};
    return **kept;
  }
  Result<std::string> identity() override {
    return locked<std::string>(false, [&] {
      std::string id;
      db_.each("SELECT v FROM store_meta WHERE k='id'",
               [&](SqliteDb::Row row) { id = "sqlite:" + row.text(0); });
      return id;
    });
  }

 private:
  struct WatchImpl final : Watch {
    WatchImpl(SqliteClusterStore& s, std::string p, StoreRev after,
              std::function<void(const StoreBatch&)> f)
        : store(s), prefix(std::move(p)), last(after), call(std::move(f)) {
      std::lock_guard lock(store.watch_mutex_);
      store.watches_.push_back(this);
      store.dirty_ = true;
      store.wake_.notify_all();
    }
    // Waits for a callback that runs: it ends by itself; never destroyed from inside one.
    ~WatchImpl() override {
      std::unique_lock lock(store.watch_mutex_);
      std::erase(store.watches_, this);
      store.wake_.wait(lock, [&] { return store.calling_ != this; });
    }
    SqliteClusterStore& store;
    const std::string prefix;
    StoreRev last;
    const std::function<void(const StoreBatch&)> call;
  };
  struct SessionImpl final : Session {
    SessionImpl(SqliteClusterStore& s, LifeLock l, std::string k, StoreRev r)
        : store(s), lock(std::move(l)), key(std::move(k)), made(r) {}
    ~SessionImpl() override {
      // `left/<id>` = the last life that ended cleanly [S1]
      const std::string left = "left/" + key.substr(key.find('/') + 1);
      (void)store.txn({{key, made, {}}}, {{StoreOp::Kind::erase, key, {}, 0},
                                          {StoreOp::Kind::put, left, std::to_string(made), 0}});
    }
    StoreRev rev() const override { return made; }
    LeaseId id() const override { return made; }
    Time deadline() const override { return kNever; }
    bool lost() const override {
      auto entry = store.get(key);
      return entry && (!*entry || (*entry)->modified != made);
    }
    SqliteClusterStore& store;
    LifeLock lock;
    const std::string key;
    const StoreRev made;
  };

  template <class T, class F>
  Result<T> locked(bool writes, F f) {
    std::lock_guard lock(mutex_);
    if (closed_) return Error{Status::closed, file_ + " is closed"};
    bool at_commit = false;
    try {
      SqliteTransaction t(db_, writes);
      T value = f();
      at_commit = writes;
      t.commit();
      return value;
    } catch (const SqliteError& e) {
      return Error{at_commit ? Status::unknown : Status::unavailable, file_ + ": " + e.what()};
    }
  }
  static StoreEntry entry(SqliteDb::Row row) {
    return {row.text(0), row.text(1), StoreRev(row.number(2)), StoreRev(row.number(3)),
            LeaseId(row.number(4))};
  }
  std::optional<StoreEntry> find(const std::string& key) {
    std::optional<StoreEntry> out;
    db_.each(
        "SELECT key,value,created,modified,lease FROM store WHERE key=?",
        [&](SqliteDb::Row row) { out = entry(row); }, key);
    return out;
  }
  StoreRev rev() { return StoreRev(db_.number("SELECT v FROM store_meta WHERE k='rev'")); }
  StoreRev compacted() {
    return StoreRev(db_.number("SELECT v FROM store_meta WHERE k='compacted'"));
  }
  StoreReply apply(const std::vector<StoreGuard>& guards, const std::vector<StoreOp>& ops) {
    StoreReply reply;
    reply.committed = true;
    for (const StoreGuard& guard : guards) {
      std::optional<StoreEntry> there = find(guard.key);
      const bool holds = guard.value ? there && there->value == *guard.value
                                     : (there ? there->modified : 0) == guard.modified;
      reply.committed = reply.committed && holds;
      if (there) reply.seen.push_back(std::move(*there));
    }
    reply.rev = rev();
    if (!reply.committed) return reply;
    reply.seen.clear();
    bool any = false;
    for (const StoreOp& op : ops) any = apply(reply.rev + 1, op) || any;
    if (any) db_.run("UPDATE store_meta SET v=? WHERE k='rev'", ++reply.rev);
    return reply;
  }
  bool apply(StoreRev at, const StoreOp& op) {
    const std::optional<StoreEntry> old = find(op.key);
    if (op.kind == StoreOp::Kind::erase) {
      if (!old) return false;
      db_.run("DELETE FROM store WHERE key=?", op.key);
      db_.run("INSERT INTO store_log(rev,erased,key,value,created,lease) VALUES(?,1,?,'',0,0)", at,
              op.key);
      return true;
    }
    const StoreRev created = old ? old->created : at;
    db_.run("INSERT OR REPLACE INTO store VALUES(?,?,?,?,?)", op.key, op.value, created, at,
            op.lease);
    db_.run("INSERT INTO store_log(rev,erased,key,value,created,lease) VALUES(?,0,?,?,?,?)", at,
            op.key, op.value, created, op.lease);
    return true;
  }

  void wake() {
    std::lock_guard lock(watch_mutex_);
    dirty_ = true;
    wake_.notify_all();
  }
  void poll() {
    for (;;) {
      {
        std::unique_lock lock(watch_mutex_);
        wake_.wait_for(lock, kPoll, [&] { return closed_ || dirty_; });
        if (closed_) return;
        dirty_ = false;
        if (watches_.empty()) continue;
      }
      for (std::size_t i = 0; call_watch(i); ++i) {
      }
    }
  }
  // Brings the i-th watch up to date; false when there is no such watch.
  bool call_watch(std::size_t i) {
    WatchImpl* watch = nullptr;
    {
      std::lock_guard lock(watch_mutex_);
      if (i >= watches_.size() || closed_) return false;
      watch = watches_[i];
      calling_ = watch;
    }
    const StoreBatch batch = news(*watch);
    if (batch.reset || !batch.events.empty()) watch->call(batch);
    std::lock_guard lock(watch_mutex_);
    calling_ = nullptr;
    wake_.notify_all();
    return true;
  }
  StoreBatch news(WatchImpl& watch) {
    StoreBatch batch;
    try {
      SqliteTransaction t(poll_db_, false);
      batch.rev = StoreRev(poll_db_.number("SELECT v FROM store_meta WHERE k='rev'"));
      const auto oldest = StoreRev(poll_db_.number("SELECT v FROM store_meta WHERE k='compacted'"));
      if (batch.rev <= watch.last) return batch;
      if (watch.last + 1 < oldest) {
        batch.reset = true;
      } else {
        poll_db_.each(
            "SELECT key,value,created,rev,lease,erased FROM store_log"
            " WHERE rev>?1 AND substr(key,1,length(?2))=?2 ORDER BY n",
            [&](SqliteDb::Row row) {
              batch.events.push_back({row.number(5) != 0, entry(row)});
            },
            watch.last, watch.prefix);
      }
      t.commit();
      watch.last = batch.rev;
    } catch (const SqliteError&) {  // busy: the next round brings it
      batch = StoreBatch();
    }
    return batch;
  }

  const std::string file_;
  std::mutex mutex_;  // db_
  SqliteDb db_;
  SqliteDb poll_db_;  // the engine's thread
  std::mutex watch_mutex_;
  std::condition_variable wake_;
  std::vector<WatchImpl*> watches_;
  WatchImpl* calling_ = nullptr;
  std::atomic<bool> closed_ = false;
  bool dirty_ = false;
  std::thread thread_;
};

Result<std::unique_ptr<ClusterStore::Session>> SqliteClusterStore::session(const std::string& key,
                                                                           const std::string& value,
                                                                           Duration) {
  std::string name = key;
  std::replace(name.begin(), name.end(), '/', '-');
  Result<LifeLock> life = LifeLock::take(file_ + "." + name + ".lock");
  if (!life) return life.error();
  // Whoever held the key is dead: erased and made again, so that its revision is a new one.
  auto reply = locked<StoreReply>(true, [&] {
    apply({}, {{StoreOp::Kind::erase, key, {}, 0}});
    return apply({}, {{StoreOp::Kind::put, key, value, 0}});
  });
  if (!reply) return reply.error();
  wake();
  return std::unique_ptr<Session>(
      std::make_unique<SessionImpl>(*this, *std::move(life), key, reply->rev));
}

}  // namespace

Result<std::unique_ptr<ClusterStore>> open_sqlite_cluster_store(const std::string& file) {
  try {
    return std::unique_ptr<ClusterStore>(std::make_unique<SqliteClusterStore>(file));
  } catch (const SqliteError& e) {
    return Error{Status::io_error, std::string(e.what()) + ": cannot open the cluster's store"};
  }
}

}  // namespace dspm::names
