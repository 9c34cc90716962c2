// Those who wait for the end of a prompt (POST /prompt?wait=…): each is told once, at the end, at its deadline, or when
// the server ends. Any thread; they are told on a thread of this class's own, one after another.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace easel::server {

class Waiters {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kMost = 1000;

  Waiters();
  ~Waiters();  // tells all

  // False (and `tell` is never called) when too many wait already or the server ends. A prompt may have ended before:
  // look after this call, and say ended() if so.
  bool wait(std::string prompt_id, Clock::time_point deadline, std::function<void()> tell);
  void ended(const std::string& prompt_id);
  void stop();  // tells all, takes no more, returns when all are told

  std::vector<std::string> prompt_ids() const;  // that are waited for

 private:
  struct Waiter {
    std::string prompt_id;
    Clock::time_point deadline;
    std::function<void()> tell;
  };
  void loop();

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::list<Waiter> waiting_, due_;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all the above
};

}  // namespace easel::server
