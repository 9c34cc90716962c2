#include "graph/side_threads.h"

namespace easel {

SideThreads::~SideThreads() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SideThreads::start(Task task, bool in_order) {
  std::lock_guard lock(mutex_);
  if (!in_order) return push(std::move(task));
  in_order_.push_back(std::move(task));
  if (ordering_) return;
  ordering_ = true;
  push([this] { work_in_order(); });
}

// With the mutex held.
void SideThreads::push(Task task) {
  tasks_.push_back(std::move(task));
  if (idle_ < tasks_.size() && threads_.size() < most_) {
    threads_.emplace_back([this] {
      if (around_)
        around_([this] { work(); });
      else
        work();
    });
  }
  changed_.notify_one();
}

void SideThreads::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    --idle_;
    if (ending_) return;
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

void SideThreads::work_in_order() {
  std::unique_lock lock(mutex_);
  while (!in_order_.empty() && !ending_) {
    const Task task = std::move(in_order_.front());
    in_order_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
  ordering_ = false;
}

}  // namespace easel
