#include "store/write_lane.h"

#include <future>

#include "base/crash_point.h"

namespace easel::store {

WriteLane::WriteLane(Database& database) : database_(database), thread_([this] { loop(); }) {}

WriteLane::~WriteLane() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void WriteLane::submit(std::function<void()> write, Outcome committed) {
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(write), std::move(committed), nullptr});
  }
  wake_.notify_one();
}

void WriteLane::run(std::function<void()> write) {
  const auto done = std::make_shared<std::promise<void>>();
  submit(std::move(write),
         [done](std::exception_ptr failure) { failure ? done->set_exception(std::move(failure)) : done->set_value(); });
  done->get_future().get();
}

void WriteLane::loop() {
  for (;;) {
    std::vector<Pending> batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      batch.swap(waiting_);
    }
    try {
      commit(batch);
    } catch (...) {
      if (!sqlite3_get_autocommit(database_.handle()))
        sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
      for (Pending& each : batch)
        if (!each.failure) each.failure = std::current_exception();
    }
    for (Pending& each : batch) each.committed(each.failure);
  }
}

void WriteLane::commit(std::vector<Pending>& batch) {
  const auto run = [this](const char* sql) { Statement(database_, sql).finish(); };
  run("BEGIN IMMEDIATE");
  for (Pending& each : batch) {
    run("SAVEPOINT one");
    try {
      each.write();
    } catch (...) {
      each.failure = std::current_exception();
      // A full disk may have ended the whole transaction already; then none of the batch was kept.
      if (sqlite3_get_autocommit(database_.handle())) throw;
      run("ROLLBACK TO one");
    }
    run("RELEASE one");
  }
  crash_point("commit");
  run("COMMIT");
  crash_point("commit");
}

}  // namespace easel::store
