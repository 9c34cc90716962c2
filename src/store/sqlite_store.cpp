// The store on SQLite. Writes go through the lane, in one thread; reads have connections of their own, so a slow disk
// never delays a look at the queue (WAL lets both work at once). Who stands where is known in memory (Places), which
// says what is so; the database's own marks follow.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <system_error>
#include <unordered_map>

#include "base/crash_point.h"
#include "base/log.h"
#include "store/checkpointer.h"
#include "store/job_list.h"
#include "store/places.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/wal_sync.h"
#include "store/write_lane.h"

namespace easel::store {
namespace {

namespace fs = std::filesystem;

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

// A row that begins with prompt_id, number, prompt, extra_data, outputs, owner.
Job read_job(const Statement& row) {
  return {.prompt_id = row.text(0),
          .number = row.real(1),
          .prompt = row.text(2),
          .extra_data = row.text(3),
          .outputs = row.text(4),
          .owner = row.text(5)};
}

HistoryEntry read_entry(const Statement& row) { return {read_job(row), {row.text(6), row.text(7), row.text(8), {}}}; }

// A connection for reading, used by one thread at a time.
struct Reader {
  explicit Reader(const fs::path& path) : database(path.string()) { database.run("PRAGMA query_only=1"); }
  std::mutex mutex;
  Database database;
};

class SqliteStore : public Store {
 public:
  // Takes the lock over, but only if the database can be used.
  SqliteStore(const fs::path& path, Limits limits, std::unique_ptr<FileLock>& lock)
      : limits_(limits), writer_(path.string()), reader_(path), leaser_(path) {
    prepare(path);
    load_places();
    count_history();
    checkpointer_.emplace(path.string(), writer_);
    sync_.emplace(path.string() + "-wal");
    lane_.emplace(writer_);
    lock_ = std::move(lock);
  }

  Accepted accept(const Submission& submission) override {
    crash_point("accept");
    Accepted answer{};
    int64_t seq = 0;
    durably(
        [&] { answer = accept_now(submission, seq); },
        [&] {
          if (answer.what == Acceptance::queued)
            places_.add(
                {.prompt_id = submission.prompt_id, .owner = submission.owner, .number = answer.number, .seq = seq});
        },
        [&] {
          if (answer.what == Acceptance::queued) remove_rows({seq});
        });
    crash_point("accept");
    return answer;
  }

  std::optional<Job> take() override {
    while (const auto place = places_.take()) {
      std::optional<Job> job;
      try {
        job = read_queued(*place);
      } catch (...) {
        places_.put_back(place->prompt_id, place->attempts, false);
        throw;
      }
      if (job) {
        crash_point("lease");
        mark(*place);
        return job;
      }
      log::error("store: prompt {} is not in the database any more", place->prompt_id);
      places_.remove(place->prompt_id);
    }
    return std::nullopt;
  }

  void put_back(const std::string& prompt_id, int attempt, bool counted) override {
    if (const auto place = places_.put_back(prompt_id, attempt, counted)) mark(*place);
  }

  bool finish(const std::string& prompt_id, int attempt, const Result& result, std::function<void()> durable) override {
    const auto place = places_.find(prompt_id);
    if (!place || !place->running || place->attempts != attempt) return false;
    crash_point("history");
    const auto done = std::make_shared<std::promise<void>>();
    lane_->submit([this, seq = place->seq, &result] { finish_now(seq, result); },
                  [this, done, &prompt_id](std::exception_ptr failure) {
                    history_known_ = history_known_ && !failure;
                    if (!failure) places_.remove(prompt_id);
                    failure ? done->set_exception(std::move(failure)) : done->set_value();
                  });
    done->get_future().get();
    sync_->request([durable = std::move(durable)](std::exception_ptr failure) {
      if (!failure && durable) durable();
    });
    crash_point("history");
    return true;
  }

  Queue queue() override {
    const std::vector<Place> places = places_.all();
    std::unordered_map<std::string, Job> jobs;
    {
      std::lock_guard lock(reader_.mutex);
      Statement rows(reader_.database, "SELECT prompt_id, number, prompt, extra_data, outputs, owner FROM queue");
      while (rows.step()) {
        Job job = read_job(rows);
        std::string id = job.prompt_id;
        jobs.emplace(std::move(id), std::move(job));
      }
    }
    Queue queue;
    for (const Place& place : places) {
      const auto found = jobs.find(place.prompt_id);
      if (found == jobs.end()) continue;  // it ended or was deleted in between
      found->second.attempt = place.attempts;
      (place.running ? queue.running : queue.pending).push_back(std::move(found->second));
    }
    return queue;
  }

  size_t remaining() const override { return places_.size(); }

  std::optional<QueuedJob> find_queued(const std::string& prompt_id) override {
    const auto place = places_.find(prompt_id);
    if (!place) return std::nullopt;
    std::lock_guard lock(reader_.mutex);
    Statement row(reader_.database,
                  "SELECT prompt_id, number, prompt, extra_data, outputs, owner, created, workflow_id FROM queue "
                  "WHERE prompt_id = ?");
    if (!row.bind(prompt_id).step()) return std::nullopt;
    QueuedJob found{read_job(row), place->running, row.integer(6), row.text(7)};
    found.job.attempt = place->attempts;
    return found;
  }

  size_t delete_pending(const std::vector<std::string>& prompt_ids, const Owner& owner) override {
    return remove_waiting(&prompt_ids, owner);
  }
  void clear_pending(const Owner& owner) override { remove_waiting(nullptr, owner); }

  std::vector<HistoryEntry> history(std::optional<int64_t> max_items, std::optional<int64_t> offset,
                                    const Owner& owner) override {
    const int64_t limit = max_items && *max_items >= 0 ? *max_items : -1;
    const bool newest = limit >= 0 && offset.value_or(-1) < 0;
    std::lock_guard lock(reader_.mutex);
    Statement rows(reader_.database,
                   newest ? "SELECT * FROM (SELECT prompt_id, number, prompt, extra_data, outputs, owner, ui, status, "
                            "meta, seq FROM history WHERE ?1 OR owner = ?2 ORDER BY seq DESC LIMIT ?3) ORDER BY seq"
                          : "SELECT prompt_id, number, prompt, extra_data, outputs, owner, ui, status, meta "
                            "FROM history WHERE ?1 OR owner = ?2 ORDER BY seq LIMIT ?3 OFFSET ?4");
    rows.bind(int{!owner}, owner.value_or(""), limit);
    if (!newest) rows.bind_at(4, std::max<int64_t>(offset.value_or(0), 0));
    std::vector<HistoryEntry> entries;
    while (rows.step()) entries.push_back(read_entry(rows));
    return entries;
  }

  std::optional<HistoryEntry> find_history(const std::string& prompt_id) override {
    std::lock_guard lock(reader_.mutex);
    Statement row(reader_.database,
                  "SELECT prompt_id, number, prompt, extra_data, outputs, owner, ui, status, meta FROM history WHERE "
                  "prompt_id = ?");
    if (!row.bind(prompt_id).step()) return std::nullopt;
    return read_entry(row);
  }

  void delete_history(const std::vector<std::string>& prompt_ids, const Owner& owner) override {
    change_history([&] {
      for (const auto& id : prompt_ids) forget(id, owner);
    });
  }

  void clear_history(const Owner& owner) override {
    change_history([&] {
      Statement(writer_, "DELETE FROM history WHERE ?1 OR owner = ?2").bind(int{!owner}, owner.value_or("")).finish();
      count_history();
    });
  }

  JobPage jobs(const JobFilter& filter) override {
    settle();
    std::lock_guard lock(reader_.mutex);
    return list_jobs(reader_.database, filter);
  }

  std::optional<JobLine> job_line(const std::string& prompt_id) override {
    settle();
    std::lock_guard lock(reader_.mutex);
    return find_job_line(reader_.database, prompt_id);
  }

 private:
  // ---- before the threads start ----

  void prepare(const fs::path& path) {
    writer_.run("PRAGMA journal_mode=WAL");
    writer_.run("PRAGMA synchronous=NORMAL");  // WalSync does what FULL would, for many commits at once
    writer_.run("PRAGMA journal_size_limit=67108864");
    prepare_tables(writer_, path.string());
  }

  // Reads every text too: a damaged page shows here, at the start, and not when a client asks.
  void load_places() {
    Statement rows(reader_.database,
                   "SELECT prompt_id, number, prompt, extra_data, outputs, owner, seq, head, attempts FROM queue");
    while (rows.step()) {
      Job job = read_job(rows);
      places_.add({.prompt_id = std::move(job.prompt_id),
                   .owner = std::move(job.owner),
                   .number = job.number,
                   .seq = rows.integer(6),
                   .head = rows.integer(7) != 0,
                   .attempts = static_cast<int>(rows.integer(8))});
    }
  }

  // ---- any thread ----

  // Runs `write` in the lane; when it survives a power cut `kept` (in another thread) and then returns. `undo` (in the
  // lane) where it was committed but could not be synced; then throws.
  void durably(std::function<void()> write, std::function<void()> kept, std::function<void()> undo) {
    const auto done = std::make_shared<std::promise<void>>();
    lane_->submit(std::move(write), [this, done, &kept](std::exception_ptr failure) {
      history_known_ = history_known_ && !failure;
      if (failure) return done->set_exception(std::move(failure));
      sync_->request([done, &kept](std::exception_ptr failure) {
        if (!failure) kept();
        failure ? done->set_exception(std::move(failure)) : done->set_value();
      });
    });
    try {
      done->get_future().get();
    } catch (const SqliteError&) {
      throw;
    } catch (...) {
      lane_->run(undo);
      throw;
    }
  }

  std::optional<Job> read_queued(const Place& place) {
    std::lock_guard lock(leaser_.mutex);
    Statement row(leaser_.database,
                  "SELECT prompt_id, number, prompt, extra_data, outputs, owner FROM queue WHERE prompt_id = ?");
    if (!row.bind(place.prompt_id).step()) return std::nullopt;
    Job job = read_job(row);
    job.attempt = place.attempts;
    return job;
  }

  // Writes down what is so already. Where that fails (a full disk) a restart begins the job with one attempt fewer.
  void mark(const Place& place) {
    lane_->submit(
        [this, place] {
          Statement(writer_, "UPDATE queue SET running = ?, head = ?, attempts = ? WHERE seq = ?")
              .bind(int{place.running}, int{place.head}, place.attempts, place.seq)
              .finish();
        },
        [](std::exception_ptr failure) {
          if (failure) log::warn("store: the mark of a prompt that was taken or put back could not be written");
        });
  }

  // After it the marks of what was taken or put back are in the database.
  void settle() {
    lane_->run([] {});
  }

  size_t remove_waiting(const std::vector<std::string>* prompt_ids, const Owner& owner) {
    std::vector<Place> removed = places_.remove_waiting(prompt_ids, owner);
    if (removed.empty()) return 0;
    std::vector<int64_t> seqs;
    for (const Place& place : removed) seqs.push_back(place.seq);
    const auto nothing = [] {};
    try {
      durably([&] { remove_rows(seqs); }, nothing, nothing);
    } catch (...) {
      for (Place& place : removed) places_.add(std::move(place));
      throw;
    }
    return seqs.size();
  }

  void change_history(std::function<void()> write) {
    const auto done = std::make_shared<std::promise<void>>();
    lane_->submit(std::move(write), [this, done](std::exception_ptr failure) {
      history_known_ = history_known_ && !failure;
      failure ? done->set_exception(std::move(failure)) : done->set_value();
    });
    done->get_future().get();
  }

  // ---- in the lane's thread ----

  Accepted accept_now(const Submission& submission, int64_t& seq) {
    // The texts that clients add (who asks, the page's workflow) are no part of what is run.
    const auto same = [&](const Statement& row) {
      return row.text(5) == submission.owner && row.text(2) == submission.prompt && row.text(4) == submission.outputs;
    };
    Statement queued(writer_,
                     "SELECT prompt_id, number, prompt, extra_data, outputs, owner FROM queue WHERE prompt_id = ?");
    if (queued.bind(submission.prompt_id).step())
      return {same(queued) ? Acceptance::known : Acceptance::refused, queued.real(1)};
    Statement ran(writer_,
                  "SELECT prompt_id, number, prompt, extra_data, outputs, owner FROM history WHERE prompt_id = ?");
    if (ran.bind(submission.prompt_id).step()) {
      if (same(ran)) return {Acceptance::known, ran.real(1)};
      if (ran.text(5) != submission.owner) return {Acceptance::refused, ran.real(1)};
      ran.finish();
      forget(submission.prompt_id, {});
    }
    const double number = submission.number ? *submission.number : next_number(submission.front);
    Statement(writer_,
              "INSERT INTO queue(prompt_id, number, prompt, extra_data, outputs, owner, created, workflow_id) "
              "VALUES(?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(submission.prompt_id, number, submission.prompt, submission.extra_data, submission.outputs,
              submission.owner, submission.created, submission.workflow_id)
        .finish();
    seq = sqlite3_last_insert_rowid(writer_.handle());
    return {Acceptance::queued, number};
  }

  double next_number(bool front) {
    Statement next(writer_, "UPDATE counter SET next = next + 1 RETURNING next - 1");
    next.step();
    const auto number = static_cast<double>(next.integer(0));
    next.finish();
    return front && number != 0 ? -number : number;
  }

  void finish_now(int64_t seq, const Result& result) {
    Statement insert(writer_,
                     "INSERT INTO history(prompt_id, number, prompt, extra_data, outputs, owner, created, workflow_id, "
                     "ui, status, meta, state, started, ended, details, bytes) "
                     "SELECT prompt_id, number, prompt, extra_data, outputs, owner, created, workflow_id, "
                     "?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                     "length(prompt) + length(CAST(extra_data AS BLOB)) + length(outputs) + ?8 "
                     "FROM queue WHERE seq = ?9 RETURNING bytes");
    const Summary& summary = result.summary;
    const auto own = static_cast<int64_t>(result.outputs.size() + result.status.size() + result.meta.size());
    insert.bind(result.outputs, result.status, result.meta, summary.state, summary.started, summary.ended,
                summary.details, own, seq);
    if (!insert.step()) fail("store: row {} of the queue is gone", seq);
    const int64_t bytes = insert.integer(0);
    insert.finish();
    remove_rows({seq});
    ++history_entries_;
    history_bytes_ += bytes;
    if (!history_known_) count_history();
    drop_oldest();
  }

  void remove_rows(const std::vector<int64_t>& seqs) {
    for (const int64_t seq : seqs) Statement(writer_, "DELETE FROM queue WHERE seq = ?").bind(seq).finish();
  }

  void drop_oldest() {
    while (history_entries_ > 1 &&
           (history_entries_ > limits_.history_entries || history_bytes_ > limits_.history_bytes)) {
      Statement oldest(writer_, "DELETE FROM history WHERE seq = (SELECT min(seq) FROM history) RETURNING bytes");
      if (!oldest.step()) return count_history();
      --history_entries_;
      history_bytes_ -= oldest.integer(0);
      oldest.finish();
    }
  }

  void forget(const std::string& prompt_id, const Owner& owner) {
    Statement gone(writer_, "DELETE FROM history WHERE prompt_id = ?1 AND (?2 OR owner = ?3) RETURNING bytes");
    if (!gone.bind(prompt_id, int{!owner}, owner.value_or("")).step()) return;
    --history_entries_;
    history_bytes_ -= gone.integer(0);
    gone.finish();
  }

  void count_history() {
    Statement size(writer_, "SELECT count(*), coalesce(sum(bytes), 0) FROM history");
    size.step();
    history_entries_ = size.integer(0), history_bytes_ = size.integer(1);
    history_known_ = true;
  }

  const Limits limits_;
  std::unique_ptr<FileLock> lock_;  // given back after all connections are closed
  Places places_;
  Database writer_;  // with what follows, the lane's thread
  int64_t history_entries_ = 0, history_bytes_ = 0;
  bool history_known_ = true;  // false after a write that was taken back: to be counted anew
  Reader reader_, leaser_;
  std::optional<Checkpointer> checkpointer_;
  std::optional<WalSync> sync_;
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
