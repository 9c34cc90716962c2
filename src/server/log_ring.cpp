#include "server/log_ring.h"

#include <spdlog/sinks/base_sink.h>

#include <chrono>
#include <ctime>

#include "base/error.h"
#include "server/http.h"

namespace easel::server {
namespace {

std::string iso_now() {
  const auto now = std::chrono::system_clock::now();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1'000'000;
  const time_t seconds = std::chrono::system_clock::to_time_t(now);
  struct tm parts;
  localtime_r(&seconds, &parts);
  char text[40];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:06}", text, micros);
}

class RingSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit RingSink(LogRing& ring) : ring_(ring) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    ring_.add(std::string(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}
  LogRing& ring_;
};

}  // namespace

std::string to_json(const LogRing::Line& line) {
  return fmt::format(R"({{"t": {}, "m": {}}})", quote_json(line.time), quote_json(line.text));
}

void LogRing::add(std::string text) {
  if (text.size() > kMaxLine) text.resize(kMaxLine);
  Line line{iso_now(), std::move(text) + "\n"};
  std::vector<ClientId> followers;
  {
    std::lock_guard lock(mutex_);
    lines_.push_back(line);
    if (lines_.size() > kLines) lines_.pop_front();
    followers = followers_;
  }
  const std::string data = fmt::format(R"({{"entries": [{}], "size": null}})", to_json(line));
  for (const ClientId& follower : followers) hub_.send(follower, "logs", data);
}

std::vector<LogRing::Line> LogRing::lines() const {
  std::lock_guard lock(mutex_);
  return {lines_.begin(), lines_.end()};
}

void LogRing::follow(const ClientId& client, bool enabled) {
  std::lock_guard lock(mutex_);
  std::erase(followers_, client);
  if (!enabled) return;
  if (followers_.size() >= kMaxFollowers) followers_.erase(followers_.begin());  // most likely gone long ago
  followers_.push_back(client);
}

std::shared_ptr<spdlog::sinks::sink> LogRing::sink() { return std::make_shared<RingSink>(*this); }

}  // namespace easel::server
