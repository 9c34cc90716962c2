#include "store/sqlite.h"

namespace easel::store {

namespace {
[[noreturn]] void raise(sqlite3* handle, int code, const std::string& doing) {
  throw SqliteError(code & 0xff, fmt::format("store: {}: {} (SQLite code {})", doing,
                                             handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code), code));
}
}  // namespace

Database::Database(const std::string& path) {
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(opened);
  if (code != SQLITE_OK) raise(opened, code, fmt::format("opening '{}'", path));
  sqlite3_busy_timeout(opened, 5000);
}

void Database::run(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) raise(handle_.get(), code, fmt::format("running '{:.60}'", sql));
}

Statement::Statement(Database& database, const char* literal) : database_(database), literal_(literal) {
  if (auto& idle = database_.idle_[literal]; !idle.empty()) {
    handle_ = std::move(idle.back());
    idle.pop_back();
  } else {
    handle_ = prepare(database.handle(), literal, SQLITE_PREPARE_PERSISTENT);
  }
}

Statement::Statement(Database& database, const std::string& sql)
    : database_(database), literal_(nullptr), handle_(prepare(database.handle(), sql.c_str(), 0)) {}

Statement::~Statement() {
  if (!literal_) return;
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  database_.idle_[literal_].push_back(std::move(handle_));
}

Database::Prepared Statement::prepare(sqlite3* database, const char* sql, unsigned flags) {
  sqlite3_stmt* made = nullptr;
  const int code = sqlite3_prepare_v3(database, sql, -1, flags, &made, nullptr);
  Database::Prepared prepared(made);
  if (code != SQLITE_OK) raise(database, code, fmt::format("preparing '{:.60}'", sql));
  return prepared;
}

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) raise(database_.handle(), code, fmt::format("running '{:.60}'", sqlite3_sql(handle_.get())));
  return false;
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  return bytes ? std::string(bytes, sqlite3_column_bytes(handle_.get(), column)) : std::string();
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) raise(database_.handle(), code, "binding a value");
}
void Statement::bind_one(int index, std::string_view value) {
  check(sqlite3_bind_text64(handle_.get(), index, value.data() ? value.data() : "", value.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
}
void Statement::bind_one(int index, int64_t value) { check(sqlite3_bind_int64(handle_.get(), index, value)); }
void Statement::bind_one(int index, double value) { check(sqlite3_bind_double(handle_.get(), index, value)); }

}  // namespace easel::store
