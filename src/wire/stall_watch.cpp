#include "wire/stall_watch.h"

#include <unistd.h>

#include "base/heartbeat.h"
#include "base/log.h"

namespace easel::wire {

StallWatch::StallWatch(std::chrono::milliseconds limit) : limit_(limit) {
  if (limit_.count() > 0) thread_ = std::thread([this] { loop(); });
}

StallWatch::~StallWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StallWatch::begin(const std::string& what) {
  beat();
  {
    std::lock_guard lock(mutex_);
    what_ = what;
  }
  wake_.notify_one();
}

void StallWatch::end() {
  std::lock_guard lock(mutex_);
  what_.clear();
}

void StallWatch::loop() {
  using Clock = std::chrono::steady_clock;
  uint64_t seen = 0;
  auto since = Clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const uint64_t now = heartbeats();
    if (what_.empty() || now != seen) {
      seen = now;
      since = Clock::now();
    } else if (Clock::now() - since >= limit_) {
      log::error("prompt {} has shown no progress for {} s: the worker ends", what_, limit_.count() / 1000.0);
      _exit(kStalled);
    }
    if (what_.empty())
      wake_.wait(lock, [this] { return stopping_ || !what_.empty(); });
    else
      wake_.wait_for(lock, limit_ / 8, [this] { return stopping_; });
  }
}

}  // namespace easel::wire
