// All writes to the database, in one thread and in the order in which they came: many threads hand in small writes, and
// whatever has gathered runs in one transaction. Each write stands in its own savepoint: one that throws takes only
// itself back. A commit here survives the end of the process; WalSync makes it survive the end of the machine.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "store/sqlite.h"

namespace easel::store {

// What became of a write: nothing, or why it was not kept.
using Outcome = std::function<void(std::exception_ptr)>;

class WriteLane {
 public:
  explicit WriteLane(Database& database);
  ~WriteLane();  // finishes what was handed in

  // Runs `write` in the lane's thread and tells `committed` there, after the transaction.
  void submit(std::function<void()> write, Outcome committed);
  // As that, and waits: throws what it threw or why it could not be kept.
  void run(std::function<void()> write);

 private:
  struct Pending {
    std::function<void()> write;
    Outcome committed;
    std::exception_ptr failure;
  };
  void loop();
  void commit(std::vector<Pending>& batch);

  Database& database_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Pending> waiting_;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace easel::store
