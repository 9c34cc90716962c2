// The store on SQLite. Two connections: one belongs to the write lane's thread, the other reads under a mutex, so a
// slow disk never delays a look at the queue (WAL lets both work at once).
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>

#include "base/log.h"
#include "store/store.h"
#include "store/write_lane.h"

namespace easel::store {
namespace {

namespace fs = std::filesystem;

// head: was running when the server ended, so it goes first. Numbers are SQLite REALs: a double, as in the API.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS queue(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, number REAL NOT NULL,
  running INTEGER NOT NULL DEFAULT 0, head INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  prompt TEXT NOT NULL, extra_data TEXT NOT NULL, outputs TEXT NOT NULL,
  created INTEGER NOT NULL DEFAULT 0, workflow_id TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS queue_order ON queue(running, head DESC, number, prompt_id, seq);
CREATE TABLE IF NOT EXISTS history(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, number REAL NOT NULL,
  prompt TEXT NOT NULL, extra_data TEXT NOT NULL, outputs TEXT NOT NULL,
  ui TEXT NOT NULL, status TEXT NOT NULL, meta TEXT NOT NULL, bytes INTEGER NOT NULL,
  created INTEGER NOT NULL DEFAULT 0, workflow_id TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'failed',
  started INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0, details TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS history_size ON history(bytes);
CREATE TABLE IF NOT EXISTS counter(next INTEGER NOT NULL);
INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter);
)";
// Layout 1 had no columns for lists of jobs. Its entries keep their state; their times are not known.
constexpr const char* kFromLayout1 = R"(
ALTER TABLE queue ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN workflow_id TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN workflow_id TEXT NOT NULL DEFAULT '';
ALTER TABLE history ADD COLUMN state TEXT NOT NULL DEFAULT 'failed';
ALTER TABLE history ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
UPDATE history SET state = CASE WHEN status LIKE '{"status_str": "success"%' THEN 'completed'
  WHEN instr(status, '["execution_interrupted"') THEN 'cancelled' ELSE 'failed' END;
)";
// These hold all that a list of jobs shows, so that SQLite need not walk past the long texts of each row.
constexpr const char* kLists = R"(
CREATE INDEX IF NOT EXISTS queue_list ON queue(prompt_id, number, running, created, workflow_id);
CREATE INDEX IF NOT EXISTS history_list ON
  history(prompt_id, number, state, created, started, ended, workflow_id, details);
)";
constexpr const char* kJobLines =
    "(SELECT prompt_id, number, CASE running WHEN 1 THEN 'in_progress' ELSE 'pending' END AS state, created, "
    "0 AS started, 0 AS ended, workflow_id, '{}' AS details FROM queue INDEXED BY queue_list "
    "UNION ALL "
    "SELECT prompt_id, number, state, created, started, ended, workflow_id, details FROM history INDEXED BY "
    "history_list)";
constexpr int kSchemaVersion = 2;
constexpr const char* kJobColumns = "prompt_id, number, prompt, extra_data, outputs";

// The lock that keeps a second server away; released by the kernel when the process ends, however it ends.
class FileLock {
 public:
  explicit FileLock(const fs::path& path) : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail("open_sqlite: '{}' cannot be opened: {}", path.string(), std::generic_category().message(errno));
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd_);
      fail(
          "open_sqlite: '{}' is locked; another easel uses this database (choose another --user-directory or "
          "--database-url)",
          path.string());
    }
  }
  ~FileLock() { ::close(fd_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

Job read_job(const Statement& row) { return {row.text(0), row.real(1), row.text(2), row.text(3), row.text(4), 0}; }

HistoryEntry read_entry(const Statement& row) { return {read_job(row), {row.text(5), row.text(6), row.text(7)}}; }

JobLine read_line(const Statement& row) {
  return {row.text(0),    row.real(1),    row.text(2), row.integer(3),
          row.integer(4), row.integer(5), row.text(6), row.text(7)};
}

class SqliteStore : public Store {
 public:
  // Takes the lock over, but only if the database can be used.
  SqliteStore(const fs::path& path, Limits limits, std::unique_ptr<FileLock>& lock)
      : limits_(limits), writer_(path.string()), reader_(path.string()) {
    writer_.run("PRAGMA journal_mode=WAL");
    writer_.run("PRAGMA synchronous=FULL");
    writer_.run("PRAGMA journal_size_limit=67108864");
    Statement version(writer_, "PRAGMA user_version");
    if (version.step(); version.integer(0) > kSchemaVersion)
      fail("open_sqlite: '{}' was written by a newer easel (layout {}, known {})", path.string(), version.integer(0),
           kSchemaVersion);
    const int64_t layout = version.integer(0);
    version.finish();
    writer_.run("BEGIN IMMEDIATE");
    writer_.run(kSchema);
    if (layout == 1) writer_.run(kFromLayout1);
    writer_.run(kLists);
    writer_.run(fmt::format("PRAGMA user_version={}", kSchemaVersion).c_str());
    writer_.run("UPDATE queue SET running = 0, head = 1 WHERE running = 1");
    writer_.run("COMMIT");
    reader_.run("PRAGMA query_only=1");
    reading_check();
    count_remaining();
    lane_.emplace(writer_, [this] { count_remaining(); });
    lock_ = std::move(lock);
  }

  Accepted accept(const Submission& submission) override {
    Accepted answer{};
    lane_->run([&] { answer = accept_now(submission); });
    return answer;
  }

  std::optional<Job> take() override {
    std::optional<Job> job;
    lane_->run([&] {
      Statement next(writer_,
                     "SELECT prompt_id, number, prompt, extra_data, outputs, attempts FROM queue WHERE running = 0 "
                     "ORDER BY head DESC, number, prompt_id, seq LIMIT 1");
      if (!next.step()) return;
      job = read_job(next);
      job->attempt = static_cast<int>(next.integer(5)) + 1;
      Statement(writer_, "UPDATE queue SET running = 1, attempts = ? WHERE prompt_id = ?")
          .bind(job->attempt, job->prompt_id)
          .finish();
    });
    return job;
  }

  void put_back(const std::string& prompt_id, int attempt, bool counted) override {
    lane_->run([&] {
      Statement(writer_, "UPDATE queue SET running = 0, head = 1, attempts = ? WHERE prompt_id = ? AND attempts = ?")
          .bind(counted ? attempt : attempt - 1, prompt_id, attempt)
          .finish();
    });
  }

  bool finish(const std::string& prompt_id, int attempt, const Result& result) override {
    bool done = false;
    lane_->run([&] { done = finish_now(prompt_id, attempt, result); });
    return done;
  }

  Queue queue() override {
    std::lock_guard lock(reading_);
    Queue queue;
    Statement rows(reader_,
                   "SELECT prompt_id, number, prompt, extra_data, outputs, running, attempts FROM queue "
                   "ORDER BY head DESC, number, prompt_id, seq");
    while (rows.step()) {
      Job job = read_job(rows);
      job.attempt = static_cast<int>(rows.integer(6));
      (rows.integer(5) ? queue.running : queue.pending).push_back(std::move(job));
    }
    return queue;
  }

  size_t remaining() const override { return remaining_; }

  std::optional<QueuedJob> find_queued(const std::string& prompt_id) override {
    std::lock_guard lock(reading_);
    Statement row(reader_,
                  "SELECT prompt_id, number, prompt, extra_data, outputs, running, attempts, created, workflow_id "
                  "FROM queue WHERE prompt_id = ?");
    if (!row.bind(prompt_id).step()) return std::nullopt;
    QueuedJob found{read_job(row), row.integer(5) != 0, row.integer(7), row.text(8)};
    found.job.attempt = static_cast<int>(row.integer(6));
    return found;
  }

  size_t delete_pending(const std::vector<std::string>& prompt_ids) override {
    size_t deleted = 0;
    lane_->run([&] {
      deleted = 0;
      for (const auto& id : prompt_ids) {
        Statement(writer_, "DELETE FROM queue WHERE prompt_id = ? AND running = 0").bind(id).finish();
        deleted += static_cast<size_t>(writer_.changes());
      }
    });
    return deleted;
  }

  void clear_pending() override {
    lane_->run([&] { writer_.run("DELETE FROM queue WHERE running = 0"); });
  }

  std::vector<HistoryEntry> history(std::optional<int64_t> max_items, std::optional<int64_t> offset) override {
    const int64_t limit = max_items && *max_items >= 0 ? *max_items : -1;
    const bool newest = limit >= 0 && offset.value_or(-1) < 0;
    std::lock_guard lock(reading_);
    Statement rows(reader_,
                   newest ? "SELECT * FROM (SELECT prompt_id, number, prompt, extra_data, outputs, ui, status, "
                            "meta, seq FROM history ORDER BY seq DESC LIMIT ?) ORDER BY seq"
                          : "SELECT prompt_id, number, prompt, extra_data, outputs, ui, status, meta FROM history "
                            "ORDER BY seq LIMIT ? OFFSET ?");
    newest ? rows.bind(limit) : rows.bind(limit, std::max<int64_t>(offset.value_or(0), 0));
    std::vector<HistoryEntry> entries;
    while (rows.step()) entries.push_back(read_entry(rows));
    return entries;
  }

  std::optional<HistoryEntry> find_history(const std::string& prompt_id) override {
    std::lock_guard lock(reading_);
    Statement row(
        reader_,
        "SELECT prompt_id, number, prompt, extra_data, outputs, ui, status, meta FROM history WHERE prompt_id = ?");
    if (!row.bind(prompt_id).step()) return std::nullopt;
    return read_entry(row);
  }

  void delete_history(const std::vector<std::string>& prompt_ids) override {
    lane_->run([&] {
      for (const auto& id : prompt_ids) forget(id);
    });
  }

  void clear_history() override {
    lane_->run([&] { writer_.run("DELETE FROM history"); });
  }

  JobPage jobs(const JobFilter& filter) override {
    const std::string where = " WHERE (?1 = '' OR workflow_id = ?1) AND (?2 = ',' OR instr(?2, ',' || state || ','))";
    std::string states = ",";
    for (const std::string& state : filter.states) states += state + ",";
    const std::string order =
        fmt::format(" ORDER BY {0} {1}, number {1} LIMIT ?3 OFFSET ?4",
                    filter.by_duration ? "ended - started" : "created", filter.ascending ? "ASC" : "DESC");
    std::lock_guard lock(reading_);
    JobPage page;
    Statement rows(reader_, (std::string("SELECT * FROM ") + kJobLines + where + order).c_str());
    rows.bind(filter.workflow_id, states, filter.limit, filter.offset);
    while (rows.step()) page.jobs.push_back(read_line(rows));
    Statement count(reader_, (std::string("SELECT count(*) FROM ") + kJobLines + where).c_str());
    count.bind(filter.workflow_id, states).step();
    page.total = count.integer(0);
    return page;
  }

  std::optional<JobLine> job_line(const std::string& prompt_id) override {
    std::lock_guard lock(reading_);
    Statement row(reader_, (std::string("SELECT * FROM ") + kJobLines + " WHERE prompt_id = ?").c_str());
    if (!row.bind(prompt_id).step()) return std::nullopt;
    return read_line(row);
  }

 private:
  // ---- in the lane's thread ----

  Accepted accept_now(const Submission& submission) {
    const auto same = [&](const Statement& row) {
      return row.text(2) == submission.prompt && row.text(3) == submission.extra_data &&
             row.text(4) == submission.outputs;
    };
    Statement queued(writer_, fmt::format("SELECT {} FROM queue WHERE prompt_id = ?", kJobColumns).c_str());
    if (queued.bind(submission.prompt_id).step())
      return {same(queued) ? Acceptance::known : Acceptance::refused, queued.real(1)};
    Statement ran(writer_, fmt::format("SELECT {} FROM history WHERE prompt_id = ?", kJobColumns).c_str());
    if (ran.bind(submission.prompt_id).step()) {
      if (same(ran)) return {Acceptance::known, ran.real(1)};
      ran.finish();
      forget(submission.prompt_id);
    }
    double number = submission.number.value_or(0);
    if (!submission.number) {
      Statement next(writer_, "UPDATE counter SET next = next + 1 RETURNING next - 1");
      next.step();
      number = static_cast<double>(next.integer(0));
      next.finish();
      if (submission.front && number != 0) number = -number;
    }
    Statement(writer_,
              "INSERT INTO queue(prompt_id, number, prompt, extra_data, outputs, created, workflow_id) "
              "VALUES(?, ?, ?, ?, ?, ?, ?)")
        .bind(submission.prompt_id, number, submission.prompt, submission.extra_data, submission.outputs,
              submission.created, submission.workflow_id)
        .finish();
    return {Acceptance::queued, number};
  }

  bool finish_now(const std::string& prompt_id, int attempt, const Result& result) {
    Statement(writer_,
              "INSERT INTO history(prompt_id, number, prompt, extra_data, outputs, ui, status, meta, bytes, created, "
              "workflow_id, state, started, ended, details) "
              "SELECT prompt_id, number, prompt, extra_data, outputs, ?1, ?2, ?3, "
              "length(prompt) + length(extra_data) + length(outputs) + length(?1) + length(?2) + length(?3), created, "
              "workflow_id, ?6, ?7, ?8, ?9 "
              "FROM queue WHERE prompt_id = ?4 AND running = 1 AND attempts = ?5")
        .bind(result.outputs, result.status, result.meta, prompt_id, attempt, result.summary.state,
              result.summary.started, result.summary.ended, result.summary.details)
        .finish();
    if (writer_.changes() == 0) return false;
    Statement(writer_, "DELETE FROM queue WHERE prompt_id = ?").bind(prompt_id).finish();
    drop_oldest();
    return true;
  }

  void drop_oldest() {
    for (;;) {
      Statement size(writer_, "SELECT count(*), coalesce(sum(bytes), 0) FROM history");
      size.step();
      const bool fits = size.integer(0) <= limits_.history_entries && size.integer(1) <= limits_.history_bytes;
      if (fits || size.integer(0) <= 1) return;
      writer_.run("DELETE FROM history WHERE seq = (SELECT min(seq) FROM history)");
    }
  }

  void forget(const std::string& prompt_id) {
    Statement(writer_, "DELETE FROM history WHERE prompt_id = ?").bind(prompt_id).finish();
  }

  // A damaged page shows here, at the start, and not when a client asks. Only what is cheap: the queue and its order.
  void reading_check() {
    Statement(reader_, "SELECT prompt_id, number, prompt, extra_data, outputs FROM queue ORDER BY head DESC, number")
        .finish();
    Statement(reader_, "SELECT count(*), sum(bytes) FROM history").finish();
  }

  void count_remaining() {
    Statement count(writer_, "SELECT count(*) FROM queue");
    count.step();
    remaining_ = static_cast<size_t>(count.integer(0));
  }

  const Limits limits_;
  std::unique_ptr<FileLock> lock_;  // given back after both connections are closed
  Database writer_;                 // the lane's thread
  std::atomic<size_t> remaining_ = 0;
  std::mutex reading_;
  Database reader_;                // under reading_
  std::optional<WriteLane> lane_;  // ends first
};

bool damaged(const SqliteError& error) { return error.code == SQLITE_CORRUPT || error.code == SQLITE_NOTADB; }

void move_aside(const fs::path& path) {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::string suffix = fmt::format(".corrupt-{}", now.count());
  for (const char* part : {"", "-wal", "-shm"}) {
    const fs::path from = path.string() + part;
    if (fs::exists(from)) fs::rename(from, path.string() + suffix + part);
  }
}

}  // namespace

std::unique_ptr<Store> open_sqlite(const fs::path& path, Limits limits) {
  try {
    if (path.has_parent_path()) fs::create_directories(path.parent_path());
    auto lock = std::make_unique<FileLock>(path.string() + ".lock");
    try {
      return std::make_unique<SqliteStore>(path, limits, lock);
    } catch (const SqliteError& error) {
      if (!damaged(error)) throw;
      log::error("{}; '{}' is damaged: it is moved aside and an empty queue begun", error.what(), path.string());
      move_aside(path);
      return std::make_unique<SqliteStore>(path, limits, lock);
    }
  } catch (const fs::filesystem_error& error) {
    fail("open_sqlite: '{}' cannot be used: {}", path.string(), error.code().message());
  }
}
}  // namespace easel::store
