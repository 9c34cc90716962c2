// Moves what has gathered in the write-ahead log into the database file, in a thread and on a connection of its own, so
// that no write waits for it.
#pragma once
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "store/sqlite.h"

namespace easel::store {

class Checkpointer {
 public:
  // From now on `writer` calls this after its commits, instead of making checkpoints itself.
  Checkpointer(const std::string& path, Database& writer);
  ~Checkpointer();

 private:
  static int after_commit(void* self, sqlite3* writer, const char* schema, int pages);
  void loop();

  Database database_;
  Database& writer_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  bool wanted_ = false, stopping_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace easel::store
