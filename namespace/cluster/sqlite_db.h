// One SQLite connection with prepared statements kept by their text. Used by one thread at a time.
// Every failure throws SqliteError inside the engines; none leaves them.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

namespace dspm::names {

struct SqliteError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class SqliteDb {
 public:
  // Creates the file where it is missing. WAL, synchronous=FULL: what is answered survives power
  // loss. Waits up to `patience` for other processes' transactions.
  explicit SqliteDb(const std::string& file, std::chrono::milliseconds patience)
      : patience_(patience) {
    if (sqlite3_open_v2(file.c_str(), &handle_,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        nullptr) != SQLITE_OK) {
      const std::string what = file + ": " + sqlite3_errmsg(handle_);
      sqlite3_close(handle_);
      throw SqliteError(what);
    }
    sqlite3_busy_handler(handle_, &SqliteDb::wait, this);
    try {
      become_wal();
      run("PRAGMA synchronous=FULL");
    } catch (const SqliteError& e) {
      const std::string what = file + ": " + e.what();
      end();
      throw SqliteError(what);
    }
  }
  ~SqliteDb() { end(); }
  SqliteDb(const SqliteDb&) = delete;
  SqliteDb& operator=(const SqliteDb&) = delete;

  // From now on a commit is not on the disk when it returns: sync() brings all there that came
  // before it. So that the disk is waited for without the lock that other processes wait for.
  void sync_apart() { run("PRAGMA synchronous=NORMAL"); }
  void sync() {
    sqlite3_file* log = nullptr;
    const int asked = sqlite3_file_control(handle_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (asked != SQLITE_OK || log == nullptr || log->pMethods == nullptr ||
        log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) != SQLITE_OK)
      throw SqliteError("the write-ahead log cannot be synced");
  }

  struct Row {
    sqlite3_stmt* statement;
    std::int64_t number(int column) const { return sqlite3_column_int64(statement, column); }
    std::string text(int column) const {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
      return bytes ? std::string(bytes, sqlite3_column_bytes(statement, column)) : "";
    }
  };
  // Runs `sql` with `values` bound in order; calls `on_row` for each row. Returns the rows.
  template <class F, class... Values>
  int each(const char* sql, F on_row, const Values&... values) {
    sqlite3_stmt*& statement = statements_[sql];
    if (statement == nullptr && sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                                   &statement, nullptr) != SQLITE_OK) {
      throw SqliteError(sqlite3_errmsg(handle_));
    }
    int column = 1;
    (bind(statement, column++, values), ...);
    int rows = 0, code = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      on_row(Row{statement});
      ++rows;
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (code != SQLITE_DONE) throw SqliteError(sqlite3_errmsg(handle_));
    return rows;
  }
  template <class... Values>
  int run(const char* sql, const Values&... values) {
    return each(
        sql, [](Row) {}, values...);
  }
  template <class... Values>
  std::int64_t number(const char* sql, const Values&... values) {
    std::int64_t out = 0;
    each(
        sql, [&](Row row) { out = row.number(0); }, values...);
    return out;
  }

 private:
  using Steady = std::chrono::steady_clock;

  void end() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    statements_.clear();
    sqlite3_close(handle_);
  }
  // Who finds the file new and who opens it meanwhile may meet without the busy handler being asked
  // (it would be a deadlock to SQLite).
  void become_wal() {
    const auto until = Steady::now() + patience_;
    for (;;) {
      try {
        run("PRAGMA journal_mode=WAL");
        return;
      } catch (const SqliteError&) {
        const int code = sqlite3_errcode(handle_);
        if ((code != SQLITE_BUSY && code != SQLITE_LOCKED) || Steady::now() >= until) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
  }
  // sqlite3_busy_handler(): SQLite's own sleeps for up to 100 ms at a time, where transactions take
  // half a millisecond.
  static int wait(void* self, int tries) {
    auto& db = *static_cast<SqliteDb*>(self);
    if (tries == 0) db.waiting_since_ = Steady::now();
    if (Steady::now() - db.waiting_since_ >= db.patience_) return 0;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(100 + 50 * tries, 2000)));
    return 1;
  }
  static void bind(sqlite3_stmt* s, int column, const std::string& v) {
    if (v.empty()) {
      sqlite3_bind_zeroblob(s, column, 0);
    } else {
      sqlite3_bind_blob(s, column, v.data(), int(v.size()), SQLITE_TRANSIENT);
    }
  }
  static void bind(sqlite3_stmt* s, int column, std::int64_t v) {
    sqlite3_bind_int64(s, column, v);
  }
  static void bind(sqlite3_stmt* s, int column, std::uint64_t v) {
    sqlite3_bind_int64(s, column, std::int64_t(v));
  }

  const std::chrono::milliseconds patience_;
  Steady::time_point waiting_since_;
  sqlite3* handle_ = nullptr;
  std::map<std::string, sqlite3_stmt*> statements_;
};

// BEGIN … COMMIT; rolled back where commit() was not reached.
class SqliteTransaction {
 public:
  SqliteTransaction(SqliteDb& db, bool writes) : db_(db) {
    db_.run(writes ? "BEGIN IMMEDIATE" : "BEGIN");
  }
  ~SqliteTransaction() {
    if (done_) return;
    try {
      db_.run("ROLLBACK");
    } catch (const SqliteError&) {  // SQLite has rolled back by itself
    }
  }
  void commit() {
    db_.run("COMMIT");
    done_ = true;
  }
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

 private:
  SqliteDb& db_;
  bool done_ = false;
};

}  // namespace dspm::names
