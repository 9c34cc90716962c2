// Keeps one worker process alive and feeds it from the queue: one prompt at a time, each told to its client and moved
// to the history when it ends. A worker that dies is replaced; its prompt is tried once more, then fails with a clear
// error.
//
// Threads: a supervisor (starts the worker, sends to it, watches it) and, for each worker, a reader (receives from it,
// writes the store). Public functions may be called from any thread; only check() waits for the worker.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/run_report.h"
#include "wire/channel.h"

namespace easel::server {

struct RunnerOptions {
  std::vector<std::string> command;  // the worker and its flags
  std::string preview_method = "none";
  int64_t preview_size = 512;
  std::filesystem::path output;        // where lasting files appear
  std::filesystem::path publications;  // where the worker notes them first (folders/publication.h); "": nowhere
  std::chrono::milliseconds drain{0};  // how long stop() lets the running prompt go on
  // Told of each prompt that ended, after the history can be read. Must be quick; called from the runner's threads.
  std::function<void(const store::Job&, const store::Result&, double seconds)> on_end;
};

// What is known of the worker; the figures are those it last sent.
struct WorkerFacts {
  bool ready = false;
  std::string version, pytorch_version;
  std::vector<wire::Device> devices;
  uint64_t resident = 0;
  bool stopping = false;      // the server takes no more prompts to run
  int64_t starts = 0;         // of workers, since the server began
  int64_t early_ends = 0;     // starts in a row that failed or ended by themselves within seconds
  double silent_seconds = 0;  // since the worker was last heard
};

class Runner {
 public:
  Runner(RunnerOptions options, store::Store& store, Hub& hub);
  ~Runner();  // stops

  void start();
  void wake();  // something was accepted
  // Only if that one runs; without an id whichever runs. Whether there was one.
  bool interrupt(const std::optional<std::string>& prompt_id);
  void free(bool unload_models, bool free_memory);
  bool wait_ready(std::chrono::milliseconds limit);
  WorkerFacts facts();  // and asks for newer figures, for the next time
  // Has the worker's nodes check what they are to be given; waits for it, also for the worker's start. Throws Error when
  // no answer comes.
  std::vector<CheckAnswer> check(const std::vector<CheckQuestion>& questions);

  // Takes no more prompts; the running one may end within `drain`, then it is interrupted and goes back to the head of
  // the queue. Returns when the worker is gone.
  void stop();
  void hurry();  // stop() shall not wait for the worker any longer; returns at once

 private:
  using Clock = std::chrono::steady_clock;

  void settle_publications();
  void supervise();
  bool start_worker();
  void serve_worker();
  bool over() const;
  void end_worker();
  bool take_next();
  void send(const wire::Message& message);
  void read(std::shared_ptr<wire::Channel> channel);
  void receive(const wire::Message& message);
  void finish(RunReport& report, const wire::Finished& finished);
  void finish_in_store(const RunReport& report, const store::Result& result);
  void persist(const std::function<void()>& write);
  void worker_died(const std::string& how);
  void take_back(const RunReport& report, bool all);

  const RunnerOptions options_;
  store::Store& store_;
  Hub& hub_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  bool stopping_ = false, hurry_ = false;
  Clock::time_point drain_until_{};
  bool work_may_wait_ = true;
  bool ready_ = false, gone_ = false;
  std::deque<wire::Message> outgoing_;
  std::map<std::string, std::optional<std::vector<CheckAnswer>>> checks_;  // asked for, and answered
  uint64_t checks_asked_ = 0;
  std::shared_ptr<RunReport> running_;
  bool interrupt_asked_ = false;
  Clock::time_point asked_memory_{}, heard_{};
  WorkerFacts facts_;
  bool died_running_ = false;  // the last worker, in the middle of a prompt
  int failures_ = 0;           // starts in a row after which the worker ended by itself within seconds

  // The supervisor's own.
  std::shared_ptr<wire::Channel> channel_;
  int pid_ = -1;
  Clock::time_point born_;
  std::thread reader_;

  std::thread supervisor_;
};

}  // namespace easel::server
