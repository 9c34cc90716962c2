#include "server/waiters.h"

#include <algorithm>

#include "base/log.h"

namespace easel::server {

Waiters::Waiters() : thread_([this] { loop(); }) {}

Waiters::~Waiters() { stop(); }

bool Waiters::wait(std::string prompt_id, Clock::time_point deadline, std::function<void()> tell) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() + due_.size() >= kMost) return false;
    waiting_.push_back({std::move(prompt_id), deadline, std::move(tell)});
  }
  wake_.notify_all();
  return true;
}

void Waiters::ended(const std::string& prompt_id) {
  {
    std::lock_guard lock(mutex_);
    for (auto each = waiting_.begin(); each != waiting_.end();) {
      const auto next = std::next(each);
      if (each->prompt_id == prompt_id) due_.splice(due_.end(), waiting_, each);
      each = next;
    }
  }
  wake_.notify_all();
}

void Waiters::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::vector<std::string> Waiters::prompt_ids() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const Waiter& waiter : waiting_) ids.push_back(waiter.prompt_id);
  return ids;
}

void Waiters::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto now = Clock::now();
    auto next = Clock::time_point::max();
    for (auto each = waiting_.begin(); each != waiting_.end();) {
      const auto after = std::next(each);
      if (stopping_ || each->deadline <= now)
        due_.splice(due_.end(), waiting_, each);
      else
        next = std::min(next, each->deadline);
      each = after;
    }
    if (!due_.empty()) {
      const Waiter waiter = std::move(due_.front());
      due_.pop_front();
      lock.unlock();
      try {
        waiter.tell();
      } catch (const std::exception& error) {
        log::error("Waiters: {}", error.what());
      }
      lock.lock();
    } else if (stopping_) {
      return;
    } else if (next == Clock::time_point::max()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, next);
    }
  }
}

}  // namespace easel::server
