// Group commit: many threads hand in small writes, one thread runs whatever has gathered in one transaction, so that
// one fsync serves them all. Each write stands in its own savepoint: one that throws takes only itself back.
#pragma once
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "store/sqlite.h"

namespace easel::store {

class WriteLane {
 public:
  // `after_commit` runs in the lane's thread after each commit, before those who wait are told.
  WriteLane(Database& database, std::function<void()> after_commit);
  ~WriteLane();  // finishes what was handed in

  // Runs `write` in the lane's thread; returns when it is durable, or throws what it threw or why it could not be kept.
  void run(std::function<void()> write);

 private:
  struct Pending {
    std::function<void()> write;
    std::promise<void> done;
    std::exception_ptr failure;
  };
  void loop();
  void commit(std::vector<Pending>& batch);

  Database& database_;
  const std::function<void()> after_commit_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Pending> waiting_;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace easel::store
