#include "graph/context.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace easel {

void Context::sleep(double seconds) {
  constexpr double kLongest = 1e6;  // a duration that no clock overflows with
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(
      lock, stop_token(), std::chrono::duration<double>(std::clamp(seconds, 0.0, kLongest)), [] { return false; });
  check_interrupt();
}

}  // namespace easel
