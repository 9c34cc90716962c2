#include "store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/json.h"

namespace easel::store {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / fmt::format("easel-store-{}-{}", info->name(), getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path database() const { return folder_ / "easel.db"; }
  std::unique_ptr<Store> open(Limits limits = {}) { return open_sqlite(database(), limits); }

  fs::path folder_;
};

Submission submission(const std::string& id, std::optional<double> number = std::nullopt, bool front = false) {
  return {id, number, front, R"({"1": {}})", "{}", R"(["1"])"};
}

std::vector<std::string> pending(Store& store) {
  std::vector<std::string> ids;
  for (const Job& job : store.queue().pending) ids.push_back(job.prompt_id);
  return ids;
}

std::vector<std::string> ids_of(const std::vector<HistoryEntry>& entries) {
  std::vector<std::string> ids;
  for (const HistoryEntry& entry : entries) ids.push_back(entry.job.prompt_id);
  return ids;
}

void run_one(Store& store) {
  const auto job = store.take();
  ASSERT_TRUE(job);
  ASSERT_TRUE(store.finish(job->prompt_id, job->attempt, {}));
}

TEST_F(StoreTest, NumbersCountUpAndFrontGoesFirst) {
  const auto store = open();
  EXPECT_EQ(store->accept(submission("a")).number, 0);
  EXPECT_EQ(store->accept(submission("b")).number, 1);
  EXPECT_EQ(store->accept(submission("c", std::nullopt, true)).number, -2);
  EXPECT_EQ(store->accept(submission("d", 0.5)).number, 0.5);
  EXPECT_THAT(pending(*store), ElementsAre("c", "a", "d", "b"));
  EXPECT_EQ(store->remaining(), 4u);
}

TEST_F(StoreTest, TheVeryFirstPromptAtTheFrontHasNumberZero) {
  EXPECT_EQ(open()->accept(submission("a", std::nullopt, true)).number, 0);
}

TEST_F(StoreTest, TiesCompareThePromptId) {
  const auto store = open();
  for (const char* id : {"b", "c", "a"}) store->accept(submission(id, 7.0));
  EXPECT_THAT(pending(*store), ElementsAre("a", "b", "c"));
}

TEST_F(StoreTest, TheCounterGoesOnAfterARestart) {
  open()->accept(submission("a"));
  EXPECT_EQ(open()->accept(submission("b")).number, 1);
}

TEST_F(StoreTest, TheSameIdWithTheSameContentIsAnsweredAgain) {
  const auto store = open();
  const auto first = store->accept(submission("a"));
  store->accept(submission("b"));
  const auto again = store->accept(submission("a"));
  EXPECT_EQ(again.what, Acceptance::known);
  EXPECT_EQ(again.number, first.number);
  EXPECT_EQ(store->remaining(), 2u);
  run_one(*store);
  EXPECT_EQ(store->accept(submission("a")).what, Acceptance::known) << "also after it has run";
}

TEST_F(StoreTest, TheSameIdWithOtherContentIsRefusedWhileItWaitsAndReplacesWhatRan) {
  const auto store = open();
  store->accept(submission("a"));
  Submission other = submission("a");
  other.prompt = R"({"2": {}})";
  EXPECT_EQ(store->accept(other).what, Acceptance::refused);
  run_one(*store);
  EXPECT_EQ(store->accept(other).what, Acceptance::queued);
  EXPECT_FALSE(store->find_history("a")) << "never in the queue and in the history";
}

TEST_F(StoreTest, FinishMovesFromQueueToHistory) {
  const auto store = open();
  store->accept(submission("a"));
  const auto job = store->take();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->attempt, 1);
  EXPECT_EQ(store->queue().running.size(), 1u);
  EXPECT_FALSE(store->find_history("a"));
  EXPECT_FALSE(store->finish("a", 2, {})) << "of an attempt that is not the one that runs";
  EXPECT_TRUE(store->finish("a", 1, {R"({"1": {"images": []}})", R"({"status_str": "success"})", "{}"}));
  EXPECT_FALSE(store->finish("a", 1, {})) << "twice";
  EXPECT_EQ(store->remaining(), 0u);
  EXPECT_EQ(store->find_history("a")->result.outputs, R"({"1": {"images": []}})");
}

TEST_F(StoreTest, ARunningJobStandsAtTheHeadAfterARestart) {
  {
    const auto store = open();
    for (const char* id : {"a", "b", "c"}) store->accept(submission(id));
    run_one(*store);
    ASSERT_EQ(store->take()->prompt_id, "b");
    store->accept(submission("first", std::nullopt, true));
  }
  const auto store = open();
  EXPECT_THAT(pending(*store), ElementsAre("b", "first", "c"));
  EXPECT_EQ(store->take()->attempt, 2);
}

TEST_F(StoreTest, PuttingBackCountsTheAttemptOrNot) {
  const auto store = open();
  store->accept(submission("a"));
  store->take();
  store->put_back("a", 1, false);
  EXPECT_EQ(store->take()->attempt, 1);
  store->put_back("a", 1, true);
  EXPECT_EQ(store->take()->attempt, 2);
}

TEST_F(StoreTest, DeletingLeavesTheRunningJobAlone) {
  const auto store = open();
  for (const char* id : {"a", "b", "c"}) store->accept(submission(id));
  store->take();
  store->delete_pending({"a", "b", "nope"});
  EXPECT_THAT(pending(*store), ElementsAre("c"));
  store->clear_pending();
  EXPECT_EQ(store->queue().running.size(), 1u);
  EXPECT_EQ(store->remaining(), 1u);
}

TEST_F(StoreTest, TheEndIsReadableAtOnceAndDurableSoon) {
  std::promise<void> durable;
  const auto store = open();
  store->accept(submission("a"));
  const auto job = store->take();
  ASSERT_TRUE(store->finish("a", job->attempt, {}, [&] { durable.set_value(); }));
  EXPECT_TRUE(store->find_history("a"));
  EXPECT_EQ(durable.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

TEST_F(StoreTest, WhatWasTakenIsSoInListsToo) {
  const auto store = open();
  for (const char* id : {"a", "b"}) store->accept(submission(id));
  for (const char* id : {"a", "b"}) {
    ASSERT_EQ(store->take()->prompt_id, id);
    EXPECT_EQ(store->job_line(id)->state, "in_progress");
    EXPECT_TRUE(store->find_queued(id)->running);
    store->put_back(id, 1, false);
    EXPECT_EQ(store->job_line(id)->state, "pending");
    run_one(*store);
  }
}

TEST_F(StoreTest, TheNextJobDoesNotWaitForSlowWrites) {
  const auto store = open();
  for (int i = 0; i < 20; ++i) store->accept(submission(fmt::format("{:02}", i)));
  std::atomic<bool> stop = false;
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t)
    writers.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) store->accept(submission(fmt::format("more-{}-{}", t, i), 1e6));
    });
  for (int i = 0; i < 20; ++i) {
    const auto job = store->take();
    EXPECT_EQ(job->prompt_id, fmt::format("{:02}", i));
    EXPECT_TRUE(store->finish(job->prompt_id, job->attempt, {}));
  }
  stop = true;
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(store->history({}, {}).size(), 20u);
  EXPECT_EQ(store->queue().pending.size(), store->remaining());
}

TEST_F(StoreTest, ManyTakeFinishAndDeleteAtOnce) {
  const auto store = open();
  std::atomic<int> finished = 0;
  std::atomic<size_t> deleted = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) store->accept(submission(fmt::format("{}-{}", t, i)));
    });
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        if (const auto job = store->take()) {
          if (i % 5 == 0)
            store->put_back(job->prompt_id, job->attempt, true);
          else
            finished += store->finish(job->prompt_id, job->attempt, {});
        }
        if (i % 20 == 0) deleted += store->delete_pending({fmt::format("{}-{}", t, i)});
        store->remaining(), store->queue();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store->history({}, {}).size(), static_cast<size_t>(finished));
  EXPECT_EQ(store->remaining() + finished + deleted, 120u);
}

TEST_F(StoreTest, HistoryInPages) {
  const auto store = open();
  for (const char* id : {"a", "b", "c", "d"}) store->accept(submission(id));
  for (int i = 0; i < 4; ++i) run_one(*store);
  EXPECT_THAT(ids_of(store->history({}, {})), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(ids_of(store->history(2, {})), ElementsAre("c", "d")) << "the newest";
  EXPECT_THAT(ids_of(store->history(2, -1)), ElementsAre("c", "d"));
  EXPECT_THAT(ids_of(store->history(2, 0)), ElementsAre("a", "b"));
  EXPECT_THAT(ids_of(store->history({}, 3)), ElementsAre("d"));
  EXPECT_THAT(ids_of(store->history(2, 9)), ElementsAre());
  store->delete_history({"b"});
  EXPECT_THAT(ids_of(store->history({}, {})), ElementsAre("a", "c", "d"));
  store->clear_history();
  EXPECT_TRUE(store->history({}, {}).empty());
}

TEST_F(StoreTest, HistoryIsBoundedInCountAndBytes) {
  const auto few = open({.history_entries = 2});
  for (const char* id : {"a", "b", "c"}) few->accept(submission(id)), run_one(*few);
  EXPECT_THAT(ids_of(few->history({}, {})), ElementsAre("b", "c"));
}

TEST_F(StoreTest, TheNewestEntryStaysHoweverLarge) {
  const auto store = open({.history_bytes = 100});
  for (const char* id : {"a", "b"}) {
    Submission large = submission(id);
    large.extra_data = Json(std::string(1000, 'x')).dump();
    store->accept(large);
    run_one(*store);
  }
  EXPECT_THAT(ids_of(store->history({}, {})), ElementsAre("b"));
}

TEST_F(StoreTest, ASecondServerIsRefused) {
  const auto store = open();
  try {
    open();
    FAIL() << "two servers on one database";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("another easel uses this database"));
  }
}

TEST_F(StoreTest, ADamagedFileIsMovedAside) {
  open()->accept(submission("a"));
  {
    std::ofstream file(database(), std::ios::binary | std::ios::trunc);
    file << std::string(8192, 'x');
  }
  const auto store = open();
  EXPECT_EQ(store->remaining(), 0u);
  store->accept(submission("b"));
  int aside = 0;
  for (const auto& entry : fs::directory_iterator(folder_))
    aside += entry.path().filename().string().find(".corrupt-") != std::string::npos;
  EXPECT_GE(aside, 1);
}

// Whatever single byte is damaged: no crash, and what can still be read is in order.
TEST_F(StoreTest, AnyDamagedByteIsSurvived) {
  std::string whole;
  {
    auto store = open();
    for (const char* id : {"a", "b", "c"}) store->accept(submission(id));
    run_one(*store);
    store.reset();  // the last connection to close writes everything into the one file
    std::ifstream file(database(), std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(file), {});
  }
  ASSERT_FALSE(whole.empty());
  const size_t step = whole.size() / 150 + 1;
  for (size_t at = 0; at < whole.size(); at += step) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    std::ofstream(database(), std::ios::binary) << damaged;
    try {
      const auto store = open();
      double last = -1e300;
      for (const Job& job : store->queue().pending) {
        EXPECT_GE(job.number, last) << "byte " << at;
        last = job.number;
      }
      store->accept(submission("new"));
    } catch (const Error&) {  // said, not silent
    }
  }
}

TEST_F(StoreTest, ManyThreadsAcceptAtOnce) {
  const auto store = open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) store->accept(submission(fmt::format("{}-{}", t, i)));
    });
  for (auto& thread : threads) thread.join();
  std::set<double> numbers;
  for (const Job& job : store->queue().pending) numbers.insert(job.number);
  EXPECT_EQ(numbers.size(), 200u) << "every one has its own place";
}

TEST_F(StoreTest, TenThousandWaitingAreOpenedAndListedQuickly) {
  {
    const auto store = open();
    std::vector<std::thread> threads;  // group commit: together they cost few fsyncs
    for (int t = 0; t < 50; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) store->accept(submission(fmt::format("{}-{}", t, i)));
      });
    for (auto& thread : threads) thread.join();
  }
  const auto store = open();
  EXPECT_EQ(store->remaining(), 10000u);
  EXPECT_EQ(store->queue().pending.size(), 10000u);
  EXPECT_EQ(store->take()->number, 0);
}

// A writer is killed at any moment; whatever it was told was accepted is there afterwards, each exactly once.
TEST_F(StoreTest, NothingAcceptedIsLostWhenTheWriterIsKilled) {
  std::set<std::string> accepted, finished;
  for (int round = 0; round < 12; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      close(ends[0]);
      const auto store = open();
      for (int i = 0;; ++i) {
        const std::string id = fmt::format("{}-{}", round, i);
        store->accept(submission(id));
        dprintf(ends[1], "+%s\n", id.c_str());
        if (i % 3 != 2) continue;
        const auto job = store->take();
        if (job && store->finish(job->prompt_id, job->attempt, {})) dprintf(ends[1], "-%s\n", job->prompt_id.c_str());
      }
    }
    close(ends[1]);
    std::string said;
    char buffer[4096];
    const auto listen = [&] {
      const ssize_t got = read(ends[0], buffer, sizeof buffer);
      if (got > 0) said.append(buffer, got);
      return got > 0;
    };
    while (std::ranges::count(said, '\n') < 3 + round % 4 && listen()) {  // it works, however slow the machine is
    }
    usleep(round * 700);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    while (listen()) {
    }
    close(ends[0]);
    for (size_t at = 0, end; (end = said.find('\n', at)) != std::string::npos; at = end + 1)
      (said[at] == '+' ? accepted : finished).insert(said.substr(at + 1, end - at - 1));
  }
  const auto store = open();
  std::set<std::string> waiting, ran;
  for (const Job& job : store->queue().pending) EXPECT_TRUE(waiting.insert(job.prompt_id).second);
  for (const auto& entry : store->history({}, {})) EXPECT_TRUE(ran.insert(entry.job.prompt_id).second);
  EXPECT_GT(accepted.size(), 10u);
  for (const auto& id : accepted) EXPECT_EQ(waiting.count(id) + ran.count(id), 1u) << id;
  for (const auto& id : finished) EXPECT_TRUE(ran.contains(id)) << id;
}

}  // namespace
}  // namespace easel::store
