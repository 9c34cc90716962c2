#include "server/runner.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <set>
#include <system_error>

#include "base/crash_point.h"
#include "base/error.h"
#include "base/log.h"
#include "folders/output.h"
#include "folders/publication.h"
#include "graph/prompt.h"
#include "server/job_summary.h"
#include "wire/spawn.h"

namespace easel::server {
namespace {

using namespace std::chrono_literals;

constexpr int kMaxAttempts = 2;
constexpr auto kPing = 15s, kSilence = 120s;  // a worker that does not even answer a ping for that long is stuck
constexpr auto kLongestCheck = 30s;
constexpr auto kOldFigures = 1s;
constexpr int kDrainMs = 10'000;

// The worker's send buffer is never full unless it is stuck: then a send must not hold the supervisor for ever.
void bound_sends(int fd) {
  const timeval limit{60, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

Runner::Runner(RunnerOptions options, store::Store& store, Hub& hub)
    : options_(std::move(options)), store_(store), hub_(hub) {}

Runner::~Runner() { stop(); }

void Runner::start() {
  settle_publications();
  supervisor_ = std::thread([this] { supervise(); });
}

// What prompts published that then did not get into the history because the server was killed.
void Runner::settle_publications() {
  if (options_.publications.empty()) return;
  std::filesystem::create_directories(options_.publications);
  if (std::filesystem::is_empty(options_.publications)) return;
  const store::Queue queue = store_.queue();
  for (const store::Job& job : queue.pending)
    folders::take_back(folders::journal_of(options_.publications, job.prompt_id));
  for (const auto& rest : std::filesystem::directory_iterator(options_.publications))
    std::filesystem::remove(rest.path());
}

void Runner::wake() {
  {
    std::lock_guard lock(mutex_);
    work_may_wait_ = true;
  }
  wake_.notify_all();
}

bool Runner::interrupt(const std::optional<std::string>& prompt_id) {
  {
    std::lock_guard lock(mutex_);
    if (!running_ || (prompt_id && *prompt_id != running_->job().prompt_id)) return false;
    interrupt_asked_ = true;
    outgoing_.push_back(wire::Interrupt{running_->job().prompt_id});
  }
  wake_.notify_all();
  return true;
}

void Runner::free(bool unload_models, bool free_memory) {
  {
    std::lock_guard lock(mutex_);
    if (!ready_ || outgoing_.size() > 100) return;  // without a worker there is nothing to free
    outgoing_.push_back(wire::Free{unload_models, free_memory});
  }
  wake_.notify_all();
}

bool Runner::wait_ready(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, limit, [this] { return ready_ || stopping_; }) && ready_;
}

WorkerFacts Runner::facts() {
  std::lock_guard lock(mutex_);
  if (ready_ && Clock::now() - asked_memory_ > kOldFigures) {
    asked_memory_ = Clock::now();
    outgoing_.push_back(wire::MemoryQuery{});
    wake_.notify_all();
  }
  facts_.ready = ready_;
  facts_.stopping = stopping_;
  facts_.early_ends = failures_;
  facts_.silent_seconds = std::chrono::duration<double>(Clock::now() - heard_).count();
  return facts_;
}

std::vector<CheckAnswer> Runner::check(const std::vector<CheckQuestion>& questions) {
  std::unique_lock lock(mutex_);
  const auto end = Clock::now() + kLongestCheck;
  wake_.wait_until(lock, end, [this] { return ready_ || stopping_; });
  if (!ready_ || stopping_) fail("the prompt cannot be checked: there is no worker yet");
  const auto asked = checks_.emplace(std::to_string(++checks_asked_), std::nullopt).first;
  outgoing_.push_back(wire::Check{asked->first, questions});
  wake_.notify_all();
  wake_.wait_until(lock, end, [&] { return asked->second || gone_ || stopping_; });
  const auto answers = std::move(asked->second);
  checks_.erase(asked);
  if (!answers) fail("the prompt could not be checked: its nodes gave no answer");
  return *answers;
}

void Runner::stop() {
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) drain_until_ = Clock::now() + options_.drain;
    stopping_ = true;
    if (running_ && options_.drain.count() > 0)
      log::info("prompt {} may go on for {} s", running_->job().prompt_id, options_.drain.count() / 1000.0);
  }
  wake_.notify_all();
  if (supervisor_.joinable()) supervisor_.join();
}

void Runner::hurry() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = hurry_ = true;
  }
  wake_.notify_all();
}

// ---- the supervisor ----------------------------------------------------------------------------------------------

void Runner::supervise() {
  for (;;) {
    const bool started = start_worker();
    if (started) {
      serve_worker();
      end_worker();
    }
    std::unique_lock lock(mutex_);
    // What dies of its prompts is bounded by their attempts; only what dies by itself is started less and less often.
    if (!started || (!died_running_ && Clock::now() - born_ < 5s))
      ++failures_;
    else
      failures_ = 0;
    const auto pause =
        failures_ == 0 ? 0ms : std::min<std::chrono::milliseconds>(10s, 100ms * (1 << std::min(failures_ - 1, 7)));
    if (wake_.wait_for(lock, pause, [this] { return stopping_; })) return;
  }
}

bool Runner::start_worker() {
  try {
    const wire::Child child = wire::spawn(options_.command);
    bound_sends(child.fd);
    pid_ = child.pid;
    channel_ = std::make_shared<wire::Channel>(child.fd);
  } catch (const std::exception& error) {
    log::error("the worker cannot be started: {}", error.what());
    return false;
  }
  born_ = Clock::now();
  {
    std::lock_guard lock(mutex_);
    ++facts_.starts;
    ready_ = gone_ = false;
    outgoing_.clear();
    work_may_wait_ = true;
    heard_ = born_;
  }
  try {
    reader_ = std::thread([this, channel = channel_] { read(channel); });
  } catch (const std::system_error& error) {
    log::error("the worker cannot be listened to: {}", error.what());
    wire::stop(pid_, 0);
    return false;
  }
  return true;
}

// Whether this worker is to be served no longer. Under the lock.
bool Runner::over() const { return gone_ || (stopping_ && (!running_ || hurry_ || Clock::now() >= drain_until_)); }

void Runner::serve_worker() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto limit = stopping_ ? std::min<Clock::duration>(kPing, drain_until_ - Clock::now()) : kPing;
    wake_.wait_for(lock, limit, [this] {
      return over() || !outgoing_.empty() || (ready_ && !running_ && work_may_wait_ && !stopping_);
    });
    if (over()) return;
    if (!outgoing_.empty()) {
      const wire::Message message = std::move(outgoing_.front());
      outgoing_.pop_front();
      lock.unlock();
      send(message);
      lock.lock();
    } else if (ready_ && !running_ && work_may_wait_ && !stopping_) {
      work_may_wait_ = false;
      lock.unlock();
      const bool more = take_next();
      lock.lock();
      work_may_wait_ = work_may_wait_ || more;
    } else if (ready_) {
      if (Clock::now() - heard_ > kSilence) {
        log::error("the worker has not answered for {} s: it is killed", kSilence.count());
        kill(pid_, SIGKILL);
        return;
      }
      outgoing_.push_back(wire::MemoryQuery{});
    }
  }
}

// True when it is worth asking again.
bool Runner::take_next() {
  std::optional<store::Job> job;
  try {
    job = store_.take();
  } catch (const std::exception& error) {
    log::error("{}", error.what());
    std::this_thread::sleep_for(1s);
    return true;
  }
  if (!job) return false;
  auto report = std::make_shared<RunReport>(std::move(*job), hub_);
  hub_.send_status();
  if (report->job().attempt > kMaxAttempts) {
    finish_in_store(*report, report->failed(fmt::format("This prompt was begun {} times, and each time the server or "
                                                        "its worker ended before it was done; it is given up. "
                                                        "A likely cause is that memory ran out.",
                                                        kMaxAttempts)));
    report->say_over();
    return true;
  }
  wire::Run run;
  run.prompt_id = report->job().prompt_id;
  run.prompt = report->job().prompt;
  const Json outputs = Json::parse(report->job().outputs, nullptr, false);
  if (outputs.is_array())
    for (const Json& id : outputs)
      if (id.is_string()) run.outputs.push_back(id);
  run.extra_pnginfo = report->extra_pnginfo();
  const std::string& wish = report->preview_method();
  run.preview_method =
      wish == "none" || wish == "auto" || wish == "latent2rgb" || wish == "taesd" ? wish : options_.preview_method;
  run.preview_size = options_.preview_size;
  std::lock_guard lock(mutex_);
  running_ = std::move(report);
  interrupt_asked_ = false;
  outgoing_.push_back(std::move(run));
  crash_point("lease");
  return false;
}

void Runner::send(const wire::Message& message) {
  try {
    channel_->send(message);
  } catch (const std::exception& error) {
    log::warn("the worker cannot be reached: {}", error.what());
    channel_->shut_down();  // the reader sees the end and says the rest
  }
}

// Reaps the worker; what ran goes back to the queue or into the history.
void Runner::end_worker() {
  bool draining, hurry;
  {
    std::lock_guard lock(mutex_);
    draining = stopping_, hurry = hurry_;
  }
  if (draining && !hurry) {
    send(wire::Shutdown{});
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(kDrainMs), [this] { return gone_ || hurry_; });
    hurry = hurry_;
  }
  channel_->shut_down();
  const int status = wire::stop(pid_, hurry ? 0 : 2000);
  reader_.join();
  if (!options_.output.empty()) folders::sweep_unfinished(options_.output, pid_);
  worker_died(wire::describe_end(status));
  std::lock_guard lock(mutex_);
  ready_ = false;
  channel_ = nullptr;
}

void Runner::worker_died(const std::string& how) {
  std::shared_ptr<RunReport> report;
  bool draining, interrupted;
  {
    std::lock_guard lock(mutex_);
    report = std::move(running_);
    running_ = nullptr;
    draining = stopping_, interrupted = interrupt_asked_;
    died_running_ = report != nullptr;
  }
  if (!report) {
    if (!draining) log::error("the worker {}; another is started", how);
    return;
  }
  const store::Job& job = report->job();
  if (draining) {
    log::info("prompt {} goes back to the head of the queue", job.prompt_id);
    take_back(*report, true);
    store_.put_back(job.prompt_id, job.attempt, false);
    return;
  }
  log::error("the worker {} {} of prompt {} (attempt {} of {}); another is started", how, report->place(),
             job.prompt_id, job.attempt, kMaxAttempts);
  if (interrupted) {
    const store::Result result = report->interrupted();
    take_back(*report, false);
    finish_in_store(*report, result);
    report->say_over();
  } else if (job.attempt < kMaxAttempts) {
    take_back(*report, true);
    store_.put_back(job.prompt_id, job.attempt, true);
    hub_.forget_running();
    hub_.send_status();
  } else {
    take_back(*report, false);
    const char* cause = how == wire::kStuck ? "A likely cause is an endless loop, or work that needs a longer "
                                              "--stall-timeout."
                                            : "A likely cause is that memory ran out: try a smaller picture or batch.";
    finish_in_store(*report, report->failed(fmt::format("The worker process {} {}, as in the attempt before; the "
                                                        "prompt is given up. {}",
                                                        how, report->place(), cause)));
    report->say_over();
  }
}

// Removes what an attempt published: all of it, or what the history entry will not name.
void Runner::take_back(const RunReport& report, bool all) {
  if (options_.publications.empty()) return;
  std::set<std::filesystem::path> named;
  if (!all)
    for (const auto& file : report.output_files())
      named.insert((std::filesystem::weakly_canonical(options_.output) / file).lexically_normal());
  const auto journal = folders::journal_of(options_.publications, report.job().prompt_id);
  const size_t gone = folders::take_back(journal, [&](const auto& path) { return named.contains(path); });
  if (gone) log::info("{} files of prompt {} are taken back", gone, report.job().prompt_id);
}

// ---- the reader --------------------------------------------------------------------------------------------------

void Runner::read(std::shared_ptr<wire::Channel> channel) {
  try {
    while (const auto message = channel->receive()) receive(*message);
  } catch (const std::exception& error) {
    log::error("the worker sent something wrong: {}", error.what());
  }
  {
    std::lock_guard lock(mutex_);
    gone_ = true;
  }
  wake_.notify_all();
}

void Runner::receive(const wire::Message& message) {
  std::shared_ptr<RunReport> report;
  bool draining, interrupted;
  {
    std::lock_guard lock(mutex_);
    heard_ = Clock::now();
    report = running_;
    draining = stopping_, interrupted = interrupt_asked_;
  }
  if (const auto* hello = std::get_if<wire::Hello>(&message)) {
    if (hello->protocol != wire::kProtocol)
      fail("protocol {} came, {} is spoken here; perhaps easel and easel-worker are of different versions",
           hello->protocol, wire::kProtocol);
    std::lock_guard lock(mutex_);
    facts_.version = hello->version, facts_.pytorch_version = hello->pytorch_version;
    facts_.devices = hello->devices, facts_.resident = 0;
    ready_ = true;
    log::info("worker ready after {:.2f} s (process {})", std::chrono::duration<double>(Clock::now() - born_).count(),
              hello->pid);
    wake_.notify_all();
  } else if (const auto* memory = std::get_if<wire::Memory>(&message)) {
    std::lock_guard lock(mutex_);
    facts_.devices = memory->devices, facts_.resident = memory->resident;
  } else if (const auto* checked = std::get_if<wire::Checked>(&message)) {
    std::lock_guard lock(mutex_);
    if (const auto asked = checks_.find(checked->id); asked != checks_.end()) asked->second = checked->answers;
    wake_.notify_all();
  } else if (const auto* line = std::get_if<wire::Log>(&message)) {
    spdlog::log(spdlog::level::from_str(line->level), "{}", line->text);
  } else if (report) {
    const auto* finished = std::get_if<wire::Finished>(&message);
    // The interrupt of a shutdown is no end: the prompt runs again after the restart, and nobody hears of this.
    const bool ours = draining && !interrupted;
    if (ours && std::holds_alternative<wire::ExecutionInterrupted>(message)) return;
    if (!finished) return report->take(message);
    if (finished->prompt_id != report->job().prompt_id || (ours && finished->status == "interrupted")) return;
    finish(*report, *finished);
  }
}

void Runner::finish(RunReport& report, const wire::Finished& finished) {
  finish_in_store(report, report.result(finished));
  report.say_over();
  {
    std::lock_guard lock(mutex_);
    running_ = nullptr;
    work_may_wait_ = true;
  }
  wake_.notify_all();
}

void Runner::finish_in_store(const RunReport& report, const store::Result& result) {
  const store::Job& job = report.job();
  store::Result complete = result;
  complete.summary = summarize(result);
  // The notes are of use until the history entry survives a power cut.
  std::function<void()> durable;
  if (!options_.publications.empty())
    durable = [journal = folders::journal_of(options_.publications, job.prompt_id)] {
      std::error_code ignored;
      std::filesystem::remove(journal, ignored);
    };
  persist([&] {
    if (!store_.finish(job.prompt_id, job.attempt, complete, durable))
      log::warn("prompt {} had left the queue before it ended", job.prompt_id);
  });
  log::info("Prompt executed in {:.2f} seconds", report.seconds());
  if (options_.on_end) options_.on_end(job, complete, report.seconds());
}

// What happened is not given up for a full disk: it is tried again until there is room or the server ends (then the job
// counts as running and stands at the head of the queue after the restart).
void Runner::persist(const std::function<void()>& write) {
  for (;;) {
    try {
      return write();
    } catch (const std::exception& error) {
      log::error("{}; tried again in a second", error.what());
    }
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, 1s, [this] { return stopping_; })) return;
  }
}

}  // namespace easel::server
