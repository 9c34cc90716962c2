// A worker of one's own, for commands that need no server: started, asked, ended.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "wire/channel.h"

namespace easel::app {

class WorkerSession {
 public:
  // Starts it and waits for its Hello. Throws Error when there is none.
  explicit WorkerSession(const std::vector<std::string>& command);
  ~WorkerSession();
  WorkerSession(const WorkerSession&) = delete;
  WorkerSession& operator=(const WorkerSession&) = delete;

  void send(const wire::Message& message) { channel_.send(message); }
  // The next message, its log lines aside (they go to the log). Throws Error when the worker has ended.
  wire::Message receive();
  // What its nodes say to what they are to be given. While nothing runs.
  std::vector<CheckAnswer> check(const std::vector<CheckQuestion>& questions);

 private:
  int pid_;
  wire::Channel channel_;
};

}  // namespace easel::app
