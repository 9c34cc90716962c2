// Where the crash tests end the process, as kill -9 would: EASEL_CRASH_AT=phase:count ends it at the count-th passing
// of crash_point(phase). Without the variable a crash point is one comparison.
#pragma once
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

namespace easel {

// Phases: accept, commit, lease, history (server); sampling, encode, rename (worker).
inline void crash_point(std::string_view phase) {
  struct Plan {
    std::string phase;
    std::atomic<int> passings{0};
    Plan() {
      const char* text = std::getenv("EASEL_CRASH_AT");
      const std::string_view all = text ? text : "";
      const size_t colon = all.find(':');
      if (colon == all.npos) return;
      phase = all.substr(0, colon);
      passings = std::atoi(all.data() + colon + 1);
    }
  };
  static Plan plan;
  if (plan.phase == phase && --plan.passings == 0) kill(getpid(), SIGKILL);
}

}  // namespace easel
