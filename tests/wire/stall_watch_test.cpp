#include "wire/stall_watch.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/heartbeat.h"
#include "wire/spawn.h"

namespace easel::wire {
namespace {

using namespace std::chrono_literals;

// Runs `work` under a watch in a process of its own, and tells how that ended.
template <class F>
std::string ended(std::chrono::milliseconds limit, F work) {
  const pid_t child = fork();
  if (child == 0) {
    StallWatch watch(limit);
    work(watch);
    _exit(0);
  }
  return describe_end(wait(child));
}

TEST(StallWatch, EndsWhatShowsNoSignOfLife) {
  EXPECT_EQ(ended(200ms,
                  [](StallWatch& watch) {
                    watch.begin("p");
                    std::this_thread::sleep_for(60s);
                  }),
            "was stuck and ended");
}

TEST(StallWatch, LeavesAloneWhatBeats) {
  EXPECT_EQ(ended(2s,
                  [](StallWatch& watch) {
                    watch.begin("p");
                    for (int i = 0; i < 60; ++i) {
                      std::this_thread::sleep_for(50ms);
                      beat();
                    }
                  }),
            "exited with status 0");
}

TEST(StallWatch, LeavesAloneWhoRunsNothing) {
  EXPECT_EQ(ended(100ms,
                  [](StallWatch& watch) {
                    watch.begin("p");
                    watch.end();
                    std::this_thread::sleep_for(500ms);
                  }),
            "exited with status 0");
}

TEST(StallWatch, WithoutALimitNothingIsWatched) {
  EXPECT_EQ(ended(0ms,
                  [](StallWatch& watch) {
                    watch.begin("p");
                    std::this_thread::sleep_for(100ms);
                  }),
            "exited with status 0");
}

}  // namespace
}  // namespace easel::wire
