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

struct CrashPlan {
  std::string phase;
  std::atomic<int> passings{0};

  explicit CrashPlan(const char* text) { arm(text ? text : ""); }
  void arm(std::string_view text) {
    const size_t colon = text.find(':');
    phase = text.substr(0, colon);
    passings = colon == text.npos ? 0 : std::atoi(std::string(text.substr(colon + 1)).c_str());
  }
};

inline CrashPlan& crash_plan() {
  static CrashPlan plan(std::getenv("EASEL_CRASH_AT"));
  return plan;
}

// Phases: accept, commit, lease, history (server); sampling, encode, rename (worker).
inline void crash_point(std::string_view phase) {
  CrashPlan& plan = crash_plan();
  if (plan.phase == phase && --plan.passings == 0) kill(getpid(), SIGKILL);
}

}  // namespace easel
