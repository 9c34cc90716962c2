// SQLite's C interface with owners and exceptions, as little of it as the store needs.
#pragma once
#include <sqlite3.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace easel::store {

// `code` is SQLite's primary result code (SQLITE_CORRUPT, SQLITE_FULL, …).
struct SqliteError : Error {
  SqliteError(int code, const std::string& message) : Error(message), code(code) {}
  int code;
};

class Database {
 public:
  explicit Database(const std::string& path);
  void run(const char* sql);
  sqlite3* handle() const { return handle_.get(); }
  int64_t changes() const { return sqlite3_changes(handle_.get()); }

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;
  std::unique_ptr<sqlite3, Close> handle_;
  std::map<const char*, std::vector<Prepared>> idle_;  // by the literal that they were made from
};

// One prepared statement, bound once and stepped. Made from a literal it is kept by the database for the next time (the
// literal's address is the key). Used by one thread.
class Statement {
 public:
  Statement(Database& database, const char* literal);
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <class... T>
  Statement& bind(const T&... values) {
    int index = 0;
    (bind_one(++index, values), ...);
    return *this;
  }
  template <class T>
  void bind_at(int index, const T& value) {
    bind_one(index, value);
  }
  bool step();  // true while there is a row
  void finish() {
    while (step()) {
    }
  }

  std::string text(int column) const;
  int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  double real(int column) const { return sqlite3_column_double(handle_.get(), column); }

 private:
  void bind_one(int index, std::string_view value);
  void bind_one(int index, const std::string& value) { bind_one(index, std::string_view(value)); }
  void bind_one(int index, int64_t value);
  void bind_one(int index, int value) { bind_one(index, static_cast<int64_t>(value)); }
  void bind_one(int index, double value);
  void check(int code) const;
  static Database::Prepared prepare(sqlite3* database, const char* sql, unsigned flags);

  Database& database_;
  const char* const literal_;  // null: not kept
  Database::Prepared handle_;
};

}  // namespace easel::store
