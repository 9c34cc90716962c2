// How prompts ended since the server began, for /metrics. Any thread.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace easel::server {

class Tally {
 public:
  static constexpr std::array kBounds{0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0};  // seconds

  struct Figures {
    std::map<std::string, uint64_t> ended;              // by state: completed, failed, cancelled
    std::array<uint64_t, kBounds.size() + 1> within{};  // runs up to each bound, not summed up; the last: longer
    double seconds = 0;
  };

  void add(const std::string& state, double seconds) {
    std::lock_guard lock(mutex_);
    ++figures_.ended[state];
    size_t place = 0;
    while (place < kBounds.size() && seconds > kBounds[place]) ++place;
    ++figures_.within[place];
    figures_.seconds += seconds;
  }
  Figures figures() const {
    std::lock_guard lock(mutex_);
    return figures_;
  }

 private:
  mutable std::mutex mutex_;
  Figures figures_;
};

}  // namespace easel::server
