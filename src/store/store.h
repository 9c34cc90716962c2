// The durable queue and history. What was accepted survives a kill at any moment; a job is in the queue or in the
// history, never in both. JSON texts pass through as they are. Every function may be called from any thread and throws
// easel::Error when the storage fails (a full disk, a damaged file); nothing was changed then.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace easel::store {

// A validated prompt on its way into the queue.
struct Submission {
  std::string prompt_id;
  std::optional<double> number;  // the client's own place; otherwise the counter's next
  bool front = false;            // the counter's next, negated
  std::string prompt;            // JSON object: the coerced API prompt
  std::string extra_data;        // JSON object
  std::string outputs;           // JSON array of node ids to execute
  int64_t created = 0;           // ms since 1970
  std::string workflow_id;       // extra_pnginfo.workflow.id, "" for none
  std::string owner;             // the user whose token came; "" where there are none
};

struct Job {
  std::string prompt_id;
  double number = 0;
  std::string prompt, extra_data, outputs;
  int attempt = 0;  // how often it was taken; also the token that finish() must show
  std::string owner;
};

// Whose jobs are meant: one user's, or everybody's.
using Owner = std::optional<std::string>;

// What lists of jobs show of one that has ended, without its long texts.
struct Summary {
  std::string state = "failed";    // "completed", "failed" or "cancelled"
  int64_t started = 0, ended = 0;  // ms since 1970, 0 where it is not known
  std::string details = "{}";      // JSON object, kept as it is
};

struct Result {
  std::string outputs = "{}";  // JSON object: node id -> ui
  std::string status = "{}";   // JSON object: status_str, completed, messages
  std::string meta = "{}";     // JSON object: node id -> {node_id, display_node, parent_node, real_node_id}
  Summary summary;
};

struct HistoryEntry {
  Job job;
  Result result;
};

struct Queue {
  std::vector<Job> running, pending;  // pending in the order in which they will run
};

// One line of a list of jobs, whether queued or ended.
struct JobLine {
  std::string prompt_id;
  double number = 0;
  std::string state;  // "pending", "in_progress" or one of Summary's
  int64_t created = 0, started = 0, ended = 0;
  std::string workflow_id, details = "{}";
  std::string owner;
};

struct JobFilter {
  std::vector<std::string> states;  // any of these; empty: all
  std::string workflow_id;          // "": any
  bool by_duration = false;         // instead of by the time of creation
  bool ascending = false;
  int64_t limit = -1, offset = 0;  // a negative limit: all
  Owner owner;
};

struct JobPage {
  std::vector<JobLine> jobs;
  int64_t total = 0;  // that pass the filter
};

struct QueuedJob {
  Job job;
  bool running = false;
  int64_t created = 0;
  std::string workflow_id;
};

enum class Acceptance {
  queued,
  known,   // the same id with the same content is here already: the answer of the first time holds
  refused  // the same id waits or runs with other content, or is another user's
};

class Store {
 public:
  virtual ~Store() = default;

  // Durable when it returns. `number` is the place that was given. An id found in the history with other content leaves
  // it.
  struct Accepted {
    Acceptance what;
    double number;
  };
  virtual Accepted accept(const Submission& submission) = 0;

  // The next job, marked as running with its attempt counted; none if nothing waits. Never waits for a write: the mark
  // is written afterwards, and a job whose mark was lost just waits.
  virtual std::optional<Job> take() = 0;
  // Puts a running job back at the head, at once as take() does. `counted` false gives the attempt back (an orderly
  // shutdown is nobody's fault).
  virtual void put_back(const std::string& prompt_id, int attempt, bool counted) = 0;
  // Moves a running job to the history. False (and nothing done) unless it still runs in this attempt. When it returns
  // the entry is readable and survives the end of the process; `durable`, if given, is told in another thread when it
  // survives a power cut too (where it does not, the job is in the queue again).
  virtual bool finish(const std::string& prompt_id, int attempt, const Result& result,
                      std::function<void()> durable = {}) = 0;

  virtual Queue queue() = 0;
  virtual size_t remaining() const = 0;  // waiting and running
  virtual std::optional<QueuedJob> find_queued(const std::string& prompt_id) = 0;
  // How many of them waited and are gone now.
  virtual size_t delete_pending(const std::vector<std::string>& prompt_ids, const Owner& owner = {}) = 0;
  virtual void clear_pending(const Owner& owner = {}) = 0;

  // In the order in which they finished. offset counts from the oldest; without it the newest `max_items`.
  virtual std::vector<HistoryEntry> history(std::optional<int64_t> max_items, std::optional<int64_t> offset,
                                            const Owner& owner = {}) = 0;
  virtual std::optional<HistoryEntry> find_history(const std::string& prompt_id) = 0;
  virtual void delete_history(const std::vector<std::string>& prompt_ids, const Owner& owner = {}) = 0;
  virtual void clear_history(const Owner& owner = {}) = 0;

  // Queue and history as one list; cheap however long the texts are.
  virtual JobPage jobs(const JobFilter& filter) = 0;
  virtual std::optional<JobLine> job_line(const std::string& prompt_id) = 0;
};

struct Limits {
  int64_t history_entries = 10000;
  int64_t history_bytes = int64_t{512} << 20;
};

// SQLite in WAL mode; the log is synced by many at once. Locks `path`.lock, so a second server on the same file is
// refused. A damaged file is moved aside to `path`.corrupt-<time> and an empty one begun, with an error in the log.
// Jobs that ran when the last server ended stand at the head of the queue again.
std::unique_ptr<Store> open_sqlite(const std::filesystem::path& path, Limits limits = {});

}  // namespace easel::store
