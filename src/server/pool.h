// A small, bounded pool for what must not happen on the event loop: files, decoding, compression, the database.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace easel::server {

class Pool {
 public:
  Pool(size_t threads, size_t max_waiting);
  ~Pool();  // what waits is still done

  // False when too much waits already.
  bool submit(std::function<void()> work);

 private:
  void loop();

  const size_t max_waiting_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace easel::server
