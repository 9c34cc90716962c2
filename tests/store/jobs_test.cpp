// Lists of jobs: queue and history as one, filtered, sorted, paged; and the layout that had none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace easel::store {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class JobsTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / fmt::format("easel-jobs-{}-{}", info->name(), getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void accept(Store& store, const std::string& id, int64_t created, const std::string& workflow = "") {
    Submission submission{id, std::nullopt, false, R"({"1": {}})", "{}", R"(["1"])"};
    submission.created = created, submission.workflow_id = workflow;
    store.accept(submission);
  }
  static void end(Store& store, const std::string& state, int64_t started, int64_t ended) {
    const auto job = store.take();
    ASSERT_TRUE(job);
    Result result;
    result.summary = {state, started, ended, R"({"outputs_count": 1})"};
    ASSERT_TRUE(store.finish(job->prompt_id, job->attempt, result));
  }
  static std::vector<std::string> ids(const JobPage& page) {
    std::vector<std::string> ids;
    for (const JobLine& line : page.jobs) ids.push_back(line.prompt_id);
    return ids;
  }

  fs::path folder_;
};

TEST_F(JobsTest, QueueAndHistoryAreOneList) {
  const auto store = open_sqlite(folder_ / "easel.db");
  accept(*store, "a", 100, "w1");
  accept(*store, "b", 200, "w2");
  accept(*store, "c", 300, "w1");
  accept(*store, "d", 400);
  end(*store, "completed", 110, 190);
  end(*store, "failed", 210, 230);
  ASSERT_TRUE(store->take());

  EXPECT_THAT(ids(store->jobs({})), ElementsAre("d", "c", "b", "a"));
  EXPECT_THAT(ids(store->jobs({.ascending = true})), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(ids(store->jobs({.states = {"pending"}})), ElementsAre("d"));
  EXPECT_THAT(ids(store->jobs({.states = {"in_progress", "failed"}})), ElementsAre("c", "b"));
  EXPECT_THAT(ids(store->jobs({.workflow_id = "w1"})), ElementsAre("c", "a"));
  EXPECT_THAT(ids(store->jobs({.states = {"completed", "failed"}, .by_duration = true})), ElementsAre("a", "b"));
  const JobPage page = store->jobs({.limit = 2, .offset = 1});
  EXPECT_THAT(ids(page), ElementsAre("c", "b"));
  EXPECT_EQ(page.total, 4);
  EXPECT_EQ(store->jobs({.workflow_id = "w3"}).total, 0);

  const auto line = store->job_line("a");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->state, "completed");
  EXPECT_EQ(line->created, 100);
  EXPECT_EQ(line->ended - line->started, 80);
  EXPECT_EQ(line->details, R"({"outputs_count": 1})");
  EXPECT_FALSE(store->job_line("nobody"));
}

TEST_F(JobsTest, OneQueuedJobIsFoundAndDeletedWhileItWaits) {
  const auto store = open_sqlite(folder_ / "easel.db");
  accept(*store, "a", 1);
  accept(*store, "b", 2);
  ASSERT_TRUE(store->take());
  EXPECT_TRUE(store->find_queued("a")->running);
  EXPECT_FALSE(store->find_queued("b")->running);
  EXPECT_EQ(store->delete_pending({"a", "b", "c"}), 1u);
  EXPECT_TRUE(store->find_queued("a"));
  EXPECT_FALSE(store->find_queued("b"));
}

TEST_F(JobsTest, AnOlderDatabaseKeepsItsJobs) {
  const fs::path path = folder_ / "easel.db";
  {
    Database old(path.string());
    old.run(R"(
      CREATE TABLE queue(seq INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, number REAL NOT NULL,
        running INTEGER NOT NULL DEFAULT 0, head INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
        prompt TEXT NOT NULL, extra_data TEXT NOT NULL, outputs TEXT NOT NULL);
      CREATE TABLE history(seq INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, number REAL NOT NULL,
        prompt TEXT NOT NULL, extra_data TEXT NOT NULL, outputs TEXT NOT NULL, ui TEXT NOT NULL, status TEXT NOT NULL,
        meta TEXT NOT NULL, bytes INTEGER NOT NULL);
      CREATE TABLE counter(next INTEGER NOT NULL);
      INSERT INTO counter VALUES(5);
      INSERT INTO queue(prompt_id, number, prompt, extra_data, outputs) VALUES('waits', 4, '{}', '{}', '[]');
      INSERT INTO history(prompt_id, number, prompt, extra_data, outputs, ui, status, meta, bytes) VALUES
        ('good', 1, '{}', '{}', '[]', '{}', '{"status_str": "success", "completed": true, "messages": []}', '{}', 9),
        ('stopped', 2, '{}', '{}', '[]', '{}',
         '{"status_str": "error", "completed": false, "messages": [["execution_interrupted", {}]]}', '{}', 9),
        ('bad', 3, '{}', '{}', '[]', '{}', '{"status_str": "error", "completed": false, "messages": []}', '{}', 9);
      PRAGMA user_version = 1;)");
  }
  const auto store = open_sqlite(path);
  EXPECT_EQ(store->job_line("good")->state, "completed");
  EXPECT_EQ(store->job_line("stopped")->state, "cancelled");
  EXPECT_EQ(store->job_line("bad")->state, "failed");
  EXPECT_EQ(store->job_line("waits")->state, "pending");
  accept(*store, "new", 7);
  EXPECT_EQ(store->find_queued("new")->job.number, 5);
}

}  // namespace
}  // namespace easel::store
