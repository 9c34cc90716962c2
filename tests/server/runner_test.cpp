// The runner with a real store and a real worker process (easel-test-worker).
#include "server/runner.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class RunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* build = std::getenv("EASEL_BINARY_DIR");
    worker_ = fs::path(build ? build : ".") / "bin/easel-test-worker";
    if (!fs::exists(worker_)) GTEST_SKIP() << worker_ << " is not built";
    folder_ =
        fs::temp_directory_path() /
        fmt::format("easel-runner-{}-{}", testing::UnitTest::GetInstance()->current_test_info()->name(), getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "output");
    open();
  }
  void TearDown() override {
    runner_.reset();
    store_.reset();
    fs::remove_all(folder_);
  }

  void open(std::chrono::milliseconds drain = 0ms) {
    runner_.reset();
    store_.reset();
    store_ = store::open_sqlite(folder_ / "easel.db");
    RunnerOptions options{
        .command = {worker_, "--base-directory", folder_, "--publications", folder_ / "notes", "--stall-timeout", "2"},
        .output = folder_ / "output",
        .publications = folder_ / "notes",
        .drain = drain};
    runner_ = std::make_unique<Runner>(std::move(options), *store_, hub_);
    runner_->start();
  }

  void submit(const std::string& id, const std::string& prompt) {
    store_->accept({.prompt_id = id, .prompt = prompt, .extra_data = "{}", .outputs = R"(["9"])"});
    if (runner_) runner_->wake();
  }
  static std::string sleeping(double seconds) {
    return fmt::format(R"({{"1": {{"class_type": "TestSleep", "inputs": {{"value": 1, "seconds": {}}}}},
                           "9": {{"class_type": "TestShow", "inputs": {{"value": ["1", 0]}}}}}})",
                       seconds);
  }
  static std::string one_node(const std::string& type) {
    return R"({"1": {"class_type": ")" + type + R"(", "inputs": {"value": 1}},
               "9": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})";
  }

  template <class F>
  bool wait_until(F condition) {
    for (int i = 0; i < 6000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  std::string status_of(const std::string& id) {
    wait_until([&] { return store_->find_history(id).has_value(); });
    const auto entry = store_->find_history(id);
    return entry ? std::string(Json::parse(entry->result.status)["status_str"]) : "not there";
  }
  std::string last_words(const std::string& id) {
    const Json messages = Json::parse(store_->find_history(id)->result.status)["messages"];
    return messages.back()[1].value("exception_message", "");
  }
  bool runs(const std::string& id) {
    const auto job = store_->find_queued(id);
    return job && job->running;
  }

  fs::path worker_, folder_;
  Hub hub_{100};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Runner> runner_;
};

TEST_F(RunnerTest, PromptsRunOneAfterAnother) {
  for (int i = 0; i < 20; ++i) submit(std::to_string(i), sleeping(0.01));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(status_of(std::to_string(i)), "success");
  EXPECT_EQ(store_->remaining(), 0u);
  const auto history = store_->history({}, {});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(history.at(i).job.prompt_id, std::to_string(i));
}

TEST_F(RunnerTest, AWorkerThatDiesIsReplacedAndItsPromptTriedTwice) {
  submit("poison", one_node("TestCrash"));
  submit("good", sleeping(0.01));
  EXPECT_EQ(status_of("poison"), "error");
  EXPECT_NE(last_words("poison").find("was killed by signal 6 (Aborted) in node 1 (TestCrash)"), std::string::npos);
  EXPECT_EQ(status_of("good"), "success");
  EXPECT_EQ(runner_->facts().starts, 3);
}

TEST_F(RunnerTest, AStuckWorkerIsReplaced) {
  submit("stuck", one_node("TestHang"));
  submit("slow", sleeping(3));
  EXPECT_EQ(status_of("stuck"), "error");
  EXPECT_NE(last_words("stuck").find("was stuck and ended in node 1 (TestHang)"), std::string::npos);
  EXPECT_EQ(status_of("slow"), "success") << "slow is not stuck";
}

TEST_F(RunnerTest, InterruptMeetsOnlyTheOneThatRuns) {
  EXPECT_FALSE(runner_->interrupt({}));
  submit("a", sleeping(60));
  ASSERT_TRUE(wait_until([&] { return runs("a"); }));
  EXPECT_FALSE(runner_->interrupt("b"));
  EXPECT_TRUE(wait_until([&] { return runner_->interrupt("a"); }));
  EXPECT_EQ(status_of("a"), "error");
  EXPECT_NE(store_->find_history("a")->result.status.find("execution_interrupted"), std::string::npos);
}

TEST_F(RunnerTest, StoppingPutsTheRunningPromptBackUncounted) {
  submit("a", sleeping(60));
  submit("b", sleeping(0.01));
  ASSERT_TRUE(wait_until([&] { return runs("a"); }));
  runner_->stop();
  const auto queue = store_->queue();
  EXPECT_TRUE(queue.running.empty());
  ASSERT_EQ(queue.pending.size(), 2u);
  EXPECT_EQ(queue.pending[0].prompt_id, "a");
  EXPECT_EQ(queue.pending[0].attempt, 0);
}

TEST_F(RunnerTest, StoppingMayLetItEnd) {
  open(60s);
  submit("a", sleeping(0.5));
  submit("b", sleeping(0.01));
  ASSERT_TRUE(wait_until([&] { return runs("a"); }));
  runner_->stop();
  EXPECT_TRUE(store_->find_history("a"));
  EXPECT_FALSE(store_->find_history("b")) << "no other is begun";
}

TEST_F(RunnerTest, HurryEndsTheWaiting) {
  open(600s);
  submit("a", sleeping(600));
  ASSERT_TRUE(wait_until([&] { return runs("a"); }));
  std::thread stopping([&] { runner_->stop(); });
  std::this_thread::sleep_for(100ms);
  runner_->hurry();
  stopping.join();
  EXPECT_EQ(store_->queue().pending.size(), 1u);
}

TEST_F(RunnerTest, AWorkerThatCannotBeStartedLeavesTheQueueAlone) {
  runner_ = nullptr;
  Runner none({.command = {"/nonexistent"}}, *store_, hub_);
  none.start();
  submit("a", sleeping(0.01));
  EXPECT_FALSE(none.wait_ready(300ms));
  none.stop();
  EXPECT_EQ(store_->remaining(), 1u);
}

}  // namespace
}  // namespace easel::server
