// The last lines of the log, for /internal/logs and the clients that follow it. A sink of spdlog's writes into it.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/hub.h"

namespace spdlog::sinks {
class sink;
}

namespace easel::server {

class LogRing {
 public:
  static constexpr size_t kLines = 300, kMaxLine = 8192, kMaxFollowers = 64;

  struct Line {
    std::string time, text;  // ISO 8601 local time; text ends in a newline
  };

  explicit LogRing(Hub& hub) : hub_(hub) {}

  void add(std::string text);
  std::vector<Line> lines() const;
  void follow(const ClientId& client, bool enabled);

  std::shared_ptr<spdlog::sinks::sink> sink();  // must not outlive the ring

 private:
  Hub& hub_;
  mutable std::mutex mutex_;  // guards what follows
  std::deque<Line> lines_;
  std::vector<ClientId> followers_;
};

std::string to_json(const LogRing::Line& line);  // {"t", "m"}

}  // namespace easel::server
