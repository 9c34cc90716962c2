#include "wire/serve.h"

#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/crash_point.h"
#include "base/error.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "graph/execute.h"
#include "graph/failure.h"
#include "wire/channel.h"
#include "wire/report.h"
#include "wire/stall_watch.h"

namespace easel::wire {
namespace {

// Something to do on the thread that runs prompts: Run, Free or ListModels.
struct Job {
  Message what;
  std::stop_source stop;
};

class Worker {
 public:
  Worker(int fd, const Registry& registry, const WorkerServices& services)
      : channel_(fd),
        registry_(registry),
        services_(services),
        executor_(registry, {.is_out_of_memory = services.is_out_of_memory,
                             .on_out_of_memory =
                                 [this] {
                                   if (services_.free) services_.free(true, false);
                                 },
                             .cache = services.cache,
                             .around_side_thread = services.around_side_thread}),
        watch_(services.stall_limit) {}

  int serve();
  void tell(const Message& message);

 private:
  // The reading thread.
  void read_all();
  bool take(Message message);
  void interrupt(const std::string& prompt_id);
  void finish();

  void make_checks();  // the checking thread

  // The thread that runs prompts.
  bool next_job();
  void run(const Run& run);
  ExecutionResult execute(const Run& run, Report& report);
  void free(const Free& free);
  void list_models();

  Memory memory() const;

  Channel channel_;
  const Registry& registry_;
  const WorkerServices& services_;
  Executor executor_;
  StallWatch watch_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::deque<Check> checks_;
  Job current_;
  bool finished_ = false;  // no more jobs
  int status_ = 0;
};

// Hands the log to the server, which has the one log file of both.
class ServerSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ServerSink(Worker& worker) : worker_(worker) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const auto level = spdlog::level::to_string_view(message.level);
    worker_.tell(Log{std::string(level.data(), level.size()),
                     valid_utf8(std::string(message.payload.data(), message.payload.size()))});
  }
  void flush_() override {}

  Worker& worker_;
};

// The server may be gone at any time; then there is nobody to tell, and the reading thread will notice.
void Worker::tell(const Message& message) {
  try {
    channel_.send(message);
  } catch (const Error&) {
    finish();
  }
}

int Worker::serve() {
  Hello hello{.pid = getpid(), .version = services_.version, .pytorch_version = services_.pytorch_version};
  if (services_.devices) hello.devices = services_.devices();
  tell(hello);
  std::jthread reader([this] { read_all(); });
  std::jthread checker([this] { make_checks(); });
  while (next_job()) {
    try {
      if (auto* one = std::get_if<Run>(&current_.what)) run(*one);
      if (auto* one = std::get_if<Free>(&current_.what)) free(*one);
      if (std::holds_alternative<ListModels>(current_.what)) list_models();
    } catch (const std::exception& error) {
      log::error("a service of the worker failed: {}", error.what());
    }
  }
  channel_.shut_down();
  reader.join();
  checker.join();
  return status_;
}

void Worker::read_all() {
  try {
    while (auto message = channel_.receive())
      if (!take(std::move(*message))) break;
  } catch (const Error& error) {
    log::error("{}", error.what());
    std::lock_guard lock(mutex_);
    status_ = 1;
  }
  finish();
}

// False when there is nothing more to read.
bool Worker::take(Message message) {
  if (std::holds_alternative<Shutdown>(message)) return false;
  if (auto* one = std::get_if<Interrupt>(&message)) {
    interrupt(one->prompt_id);
  } else if (std::holds_alternative<MemoryQuery>(message)) {
    tell(memory());
  } else if (auto* check = std::get_if<Check>(&message)) {
    std::lock_guard lock(mutex_);
    checks_.push_back(std::move(*check));
    changed_.notify_all();
  } else if (std::holds_alternative<Run>(message) || std::holds_alternative<Free>(message) ||
             std::holds_alternative<ListModels>(message)) {
    std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(message), {}});
    changed_.notify_all();
  } else {
    fail("serve: a message that only a worker sends came from the server");
  }
  return true;
}

void Worker::interrupt(const std::string& prompt_id) {
  const auto is_meant = [&](const Job& job) {
    const Run* run = std::get_if<Run>(&job.what);
    return run && run->prompt_id == prompt_id;
  };
  std::lock_guard lock(mutex_);
  if (prompt_id.empty() || is_meant(current_)) current_.stop.request_stop();
  for (Job& job : waiting_)
    if (is_meant(job)) job.stop.request_stop();
}

void Worker::finish() {
  std::lock_guard lock(mutex_);
  finished_ = true;
  current_.stop.request_stop();
  changed_.notify_all();
}

void Worker::make_checks() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return finished_ || !checks_.empty(); });
    if (finished_) return;
    const Check check = std::move(checks_.front());
    checks_.pop_front();
    lock.unlock();
    tell(Checked{check.id, answer_checks(registry_, check.questions)});
    lock.lock();
  }
}

bool Worker::next_job() {
  std::unique_lock lock(mutex_);
  current_ = {};
  changed_.wait(lock, [this] { return finished_ || !waiting_.empty(); });
  if (finished_) return false;
  current_ = std::move(waiting_.front());
  waiting_.pop_front();
  return true;
}

void Worker::run(const Run& run) {
  Report report(run.prompt_id, [this](const Message& message) {
    beat();
    if (std::holds_alternative<Progress>(message)) crash_point("sampling");
    tell(message);
  });
  watch_.begin(run.prompt_id);
  ExecutionResult result;
  try {
    result = execute(run, report);
  } catch (...) {  // not the prompt's doing: a service failed, or the server sent a prompt that cannot be read
    const Failure failure = current_failure(services_.is_out_of_memory);
    report.on_error({.message = failure.message, .type = failure.type});
    result.status = ExecutionResult::Status::kError;
  }
  const char* status = result.status == ExecutionResult::Status::kSuccess ? "success"
                       : result.status == ExecutionResult::Status::kError ? "error"
                                                                          : "interrupted";
  watch_.end();
  tell(Finished{run.prompt_id, status, std::move(result.outputs), std::move(result.meta)});
  if (services_.after_prompt) services_.after_prompt();
}

ExecutionResult Worker::execute(const Run& run, Report& report) {
  // Escaped to ASCII it may be longer than what the client sent, whose other bounds the server has checked.
  ExecutionRequest request{.prompt = parse_prompt(run.prompt, {.bytes = kMaxFrame}), .outputs = run.outputs};
  if (!run.extra_pnginfo.empty()) request.extra_pnginfo = parse_ordered_json(run.extra_pnginfo);
  request.previews = {.method = run.preview_method, .max_size = run.preview_size};
  if (services_.before_prompt) services_.before_prompt(run.prompt_id);
  return executor_.run(std::move(request), report, current_.stop.get_token());
}

void Worker::free(const Free& free) {
  if (free.free_memory) executor_.forget_all();
  if (services_.free) services_.free(free.unload_models, free.free_memory);
}

void Worker::list_models() {
  Models models;
  try {
    if (services_.list_models) models.files = services_.list_models();
  } catch (const std::exception& error) {
    log::error("the models cannot be listed: {}", error.what());
  }
  tell(models);
}

Memory Worker::memory() const {
  Memory memory;
  if (services_.devices) memory.devices = services_.devices();
  uint64_t total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  memory.resident = resident_pages * sysconf(_SC_PAGESIZE);
  return memory;
}

// While it lives, what is logged goes to the server.
class LogToServer {
 public:
  explicit LogToServer(Worker& worker) : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>("worker", std::make_shared<ServerSink>(worker));
    logger->set_level(before_->level());
    spdlog::set_default_logger(std::move(logger));
  }
  ~LogToServer() { spdlog::set_default_logger(before_); }
  LogToServer(const LogToServer&) = delete;
  LogToServer& operator=(const LogToServer&) = delete;

 private:
  const std::shared_ptr<spdlog::logger> before_;
};

}  // namespace

int serve(int fd, const Registry& registry, const WorkerServices& services) {
  Worker worker(fd, registry, services);
  const LogToServer log_to_server(worker);
  return worker.serve();
}

}  // namespace easel::wire
