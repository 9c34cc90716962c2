// Threads on which nodes run beside the one that runs the prompt. They are started when they are needed and live as
// long as this does.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace easel {

class SideThreads {
 public:
  using Task = std::function<void()>;  // must not throw
  // `around` is called on each thread with what it has to do, and sets the thread up for it.
  SideThreads(size_t most, std::function<void(const Task&)> around) : most_(most), around_(std::move(around)) {}
  ~SideThreads();  // waits for what runs; what waits is dropped

  // Runs the task as soon as a thread is free. In order: after the task before that was to be run in order.
  void start(Task task, bool in_order);

 private:
  void work();
  void push(Task task);
  void work_in_order();

  const size_t most_;
  const std::function<void(const Task&)> around_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Task> tasks_, in_order_;
  bool ordering_ = false;  // a thread is at work on in_order_
  bool ending_ = false;
  size_t idle_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace easel
