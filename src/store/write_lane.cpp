#include "store/write_lane.h"

namespace easel::store {

WriteLane::WriteLane(Database& database, std::function<void()> after_commit)
    : database_(database), after_commit_(std::move(after_commit)), thread_([this] { loop(); }) {}

WriteLane::~WriteLane() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void WriteLane::run(std::function<void()> write) {
  std::future<void> done;
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(write), {}, nullptr});
    done = waiting_.back().done.get_future();
  }
  wake_.notify_one();
  done.get();
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
      after_commit_();
    } catch (...) {
      if (!sqlite3_get_autocommit(database_.handle()))
        sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
      for (Pending& each : batch)
        if (!each.failure) each.failure = std::current_exception();
    }
    for (Pending& each : batch) each.failure ? each.done.set_exception(each.failure) : each.done.set_value();
  }
}

void WriteLane::commit(std::vector<Pending>& batch) {
  database_.run("BEGIN IMMEDIATE");
  for (Pending& each : batch) {
    database_.run("SAVEPOINT one");
    try {
      each.write();
    } catch (...) {
      each.failure = std::current_exception();
      // A full disk may have ended the whole transaction already; then none of the batch was kept.
      if (sqlite3_get_autocommit(database_.handle())) throw;
      database_.run("ROLLBACK TO one");
    }
    database_.run("RELEASE one");
  }
  database_.run("COMMIT");
}

}  // namespace easel::store
