// Each user's own jobs, where tokens name users.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "store/store.h"

namespace easel::store {
namespace {

class OwnerTest : public testing::Test {
 protected:
  OwnerTest() { std::filesystem::create_directories(folder_); }
  ~OwnerTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  Acceptance accept(const std::string& id, const std::string& owner, const std::string& prompt = "{}") {
    return store_->accept({.prompt_id = id, .prompt = prompt, .extra_data = "{}", .outputs = "[]", .owner = owner})
        .what;
  }
  void run_next() {
    const auto job = store_->take();
    ASSERT_TRUE(job);
    ASSERT_TRUE(store_->finish(job->prompt_id, job->attempt, {}));
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("easel_owner_" + std::to_string(getpid()));
  std::unique_ptr<Store> store_ = open_sqlite(folder_ / "easel.db");
};

TEST_F(OwnerTest, TheOwnerStaysWithTheJob) {
  accept("a", "ann");
  accept("b", "");
  EXPECT_EQ(store_->queue().pending[0].owner, "ann");
  EXPECT_EQ(store_->find_queued("a")->job.owner, "ann");
  EXPECT_EQ(store_->job_line("a")->owner, "ann");
  const auto job = store_->take();
  EXPECT_EQ(job->owner, "ann");
  store_->finish("a", job->attempt, {});
  EXPECT_EQ(store_->find_history("a")->job.owner, "ann");
  EXPECT_EQ(store_->job_line("a")->owner, "ann");
  EXPECT_EQ(store_->find_queued("b")->job.owner, "");
}

TEST_F(OwnerTest, ListsOfOneUser) {
  for (const char* id : {"1", "2", "3", "4"}) accept(id, *id % 2 ? "odd" : "even");
  EXPECT_EQ(store_->jobs({.owner = "odd"}).total, 2);
  for (int i = 0; i < 4; ++i) run_next();
  EXPECT_EQ(store_->history({}, {}).size(), 4u);
  EXPECT_EQ(store_->history({}, {}, "even").size(), 2u);
  EXPECT_EQ(store_->history(1, {}, "odd").front().job.prompt_id, "3") << "the newest of hers, not of all";
  EXPECT_EQ(store_->history(5, 1, "even").front().job.prompt_id, "4");
  EXPECT_EQ(store_->history({}, {}, "").size(), 0u) << "no name is nobody's, not everybody's";
  EXPECT_EQ(store_->jobs({.owner = "even"}).jobs.size(), 2u);
}

TEST_F(OwnerTest, NobodyDeletesWhatIsAnothers) {
  accept("a", "ann");
  accept("b", "bob");
  EXPECT_EQ(store_->delete_pending({"a", "b"}, "bob"), 1u);
  store_->clear_pending("bob");
  EXPECT_EQ(store_->remaining(), 1u);
  run_next();
  store_->delete_history({"a"}, "bob");
  store_->clear_history("bob");
  EXPECT_TRUE(store_->find_history("a"));
  store_->clear_history("ann");
  EXPECT_FALSE(store_->find_history("a"));
}

TEST_F(OwnerTest, AnIdThatIsAnothersIsRefused) {
  accept("a", "ann");
  EXPECT_EQ(accept("a", "bob"), Acceptance::refused);
  EXPECT_EQ(accept("a", "ann"), Acceptance::known);
  run_next();
  EXPECT_EQ(accept("a", "bob"), Acceptance::refused);
  EXPECT_EQ(accept("a", "bob", "{\"1\": {}}"), Acceptance::refused) << "and her history stays";
  EXPECT_TRUE(store_->find_history("a"));
}

}  // namespace
}  // namespace easel::store
