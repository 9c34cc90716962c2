// Ends the worker process when what it runs shows no sign of life for too long: a deadlock, an endless loop. The server
// then goes on as after any death of a worker.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace easel::wire {

inline constexpr int kStalled = 75;  // the exit status

class StallWatch {
 public:
  explicit StallWatch(std::chrono::milliseconds limit);  // 0: watches nothing
  ~StallWatch();

  void begin(const std::string& what);  // watched from now on
  void end();

 private:
  void loop();

  const std::chrono::milliseconds limit_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::string what_;  // empty: nothing runs
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace easel::wire
