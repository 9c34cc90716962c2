// Nodes that run beside others.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>

#include "graph/execute.h"
#include "support.h"

namespace easel {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class Beside : public testing::Test {
 protected:
  test::Outcome run(const std::string& text, std::stop_token interrupt = {}) {
    return test::run(executor_, registry_, text, interrupt);
  }
  const Registry registry_ = test::test_registry();
  Executor executor_{registry_};
};

std::string beside(const std::string& id, const std::string& type, double seconds, const std::string& value) {
  return "\"" + id + R"(": {"class_type": ")" + type + R"(", "inputs": {"seconds": )" + std::to_string(seconds) +
         R"(, "value": )" + value + "}}, ";
}
const std::string kShow = R"("show": {"class_type": "TestShow", "inputs": {"value": )";

// Whether two that are each to meet the other do.
TEST_F(Beside, TwoAtOnce) {
  std::atomic<int> inside = 0;
  std::atomic<bool> met = false;
  Registry registry = test::test_registry();
  registry.add({.id = "Meet",
                .inputs = {integer("n")},
                .run =
                    [&](Context& context, int64_t n) {
                      ++inside;
                      for (int i = 0; i < 1000 && !met; ++i) {
                        if (inside == 2) met = true;
                        context.sleep(0.01);
                      }
                      return n;
                    },
                .overlap = Overlap::kFree});
  Executor executor(registry);
  const auto outcome = test::run(executor, registry, R"({"1": {"class_type": "Meet", "inputs": {"n": 1}},
      "2": {"class_type": "Meet", "inputs": {"n": 2}},
      "3": {"class_type": "TestAdd", "inputs": {"a": ["1", 0], "b": ["2", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["3", 0]}}})");
  EXPECT_TRUE(met);
  EXPECT_EQ(outcome.result.outputs["show"].dump(), R"({"text":["3"]})");
  inside = 0, met = false;  // the elements of one list are calls that may overlap too
  EXPECT_EQ(test::run(executor, registry, R"({"list": {"class_type": "TestRange", "inputs": {"first": 5, "count": 2}},
      "1": {"class_type": "Meet", "inputs": {"n": ["list", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})")
                .result.outputs["show"]
                .dump(),
            R"({"text":["5","6"]})");
  EXPECT_TRUE(met);
}

TEST_F(Beside, OthersGoOnMeanwhile) {
  const auto outcome = run("{" + beside("slow", "TestBeside", 0.3, "1") + kShow +
                           R"(["slow", 0]}}, "quick": {"class_type": "TestShow", "inputs": {"value": "q"}}})");
  EXPECT_THAT(outcome.journal.lines,
              ElementsAre("start", "cached", "executing slow", "executing quick", "text quick showing q",
                          R"(executed quick {"text":["q"]})", "progress slow 1/2", "progress slow 2/2",
                          "executing show", "text show showing 1", R"(executed show {"text":["1"]})", "success"));
}

TEST_F(Beside, InOrderMeansOneAfterAnother) {
  std::atomic<int> inside = 0, most = 0;
  std::vector<int64_t> order;
  Registry registry = test::test_registry();
  registry.add({.id = "Write",
                .inputs = {integer("n")},
                .run =
                    [&](Context& context, int64_t n) {
                      most = std::max<int>(most, ++inside);
                      order.push_back(n);
                      context.sleep(0.005);
                      --inside;
                      return Ui{{{"n", {n}}}};
                    },
                .is_output = true,
                .overlap = Overlap::kInOrder});
  Executor executor(registry);
  std::string text = "{";
  for (int i = 0; i < 20; ++i)
    text += (i ? ", \"" : "\"") + std::to_string(i) + R"(": {"class_type": "Write", "inputs": {"n": )" +
            std::to_string(i) + "}}";
  const auto outcome = test::run(executor, registry, text + "}");
  EXPECT_EQ(most, 1);
  EXPECT_THAT(order, testing::SizeIs(20));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(outcome.result.outputs.size(), 20);
}

TEST_F(Beside, AFailureThereIsTheNodes) {
  const auto outcome =
      run("{" + beside("slow", "TestBeside", 100, "1") +
          R"("bad": {"class_type": "TestFailBeside", "inputs": {"value": ["slow2", 0]}}, )" +
          beside("slow2", "TestBeside", 0.01, "7") +
          R"("s": {"class_type": "TestShow", "inputs": {"value": ["bad", 0]}}, )" + kShow + R"(["slow", 0]}}})");
  ASSERT_TRUE(outcome.journal.failure);  // and the one that would have taken 100 s was stopped
  EXPECT_EQ(outcome.journal.failure->node_id, "bad");
  EXPECT_EQ(outcome.journal.failure->message, "it failed beside");
  EXPECT_EQ(outcome.journal.failure->current_inputs.dump(), R"({"value":[7]})");
  EXPECT_THAT(outcome.journal.failure->executed, ElementsAre("slow2"));
}

TEST_F(Beside, AFailureHereStopsWhatRunsThere) {
  const auto outcome = run("{" + beside("slow", "TestBeside", 100, "1") +
                           R"("bad": {"class_type": "TestFail", "inputs": {"value": 1, "message": "no"}},
      "s": {"class_type": "TestShow", "inputs": {"value": ["bad", 0]}}, )" +
                           kShow + R"(["slow", 0]}}})");
  EXPECT_EQ(outcome.journal.lines.back(), "error bad RuntimeError: no");
  EXPECT_EQ(run("{" + kShow + "\"next\"}}}").journal.lines.back(), "success");
}

TEST_F(Beside, AnInterruptReachesWhatRunsThere) {
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  const auto outcome =
      run("{" + beside("a", "TestBeside", 100, "1") + beside("b", "TestInOrder", 100, "1") +
              beside("c", "TestInOrder", 100, "[\"a\", 0]") +
              R"("s": {"class_type": "TestShow", "inputs": {"value": ["c", 0]}}, )" + kShow + R"(["b", 0]}}})",
          stop.get_token());
  EXPECT_EQ(outcome.result.status, ExecutionResult::Status::kInterrupted);
  EXPECT_THAT(outcome.journal.lines.back(), HasSubstr("interrupted"));
}

TEST_F(Beside, WhatWritesGoesBesideOnlyWhereThereIsOtherWork) {
  std::vector<bool> here;
  const auto runner = std::this_thread::get_id();
  Registry registry = test::test_registry();
  registry.add({.id = "Write",
                .inputs = {socket("v", "*")},
                .run =
                    [&](Context& context, const Value&) {
                      here.push_back(std::this_thread::get_id() == runner);
                      context.sleep(0.05);
                      return Ui{{{"n", {1}}}};
                    },
                .is_output = true,
                .overlap = Overlap::kInOrder});
  Executor executor(registry);
  const std::string one = R"("1": {"class_type": "TestInt", "inputs": {"value": 1}},
      "w": {"class_type": "Write", "inputs": {"v": ["1", 0]}})";
  test::run(executor, registry, "{" + one + "}");
  EXPECT_THAT(here, ElementsAre(true));
  here.clear();
  executor.forget_all();
  const auto outcome = test::run(executor, registry, "{" + one + R"(,
      "2": {"class_type": "TestInt", "inputs": {"value": 2}}, "3": {"class_type": "TestAdd", "inputs": {"a": ["2", 0], "b": 1}},
      "w2": {"class_type": "Write", "inputs": {"v": ["3", 0]}}})");
  ASSERT_EQ(here.size(), 2);
  EXPECT_FALSE(here[0]);
  EXPECT_EQ(outcome.result.outputs.size(), 2);
}

// Whatever overlaps, results are the same.
TEST_F(Beside, ManyWithTheSameResult) {
  std::string text = "{";
  for (int i = 0; i < 60; ++i)
    text += beside("n" + std::to_string(i), i % 3 ? "TestBeside" : "TestInOrder", 0.002 * (i % 7),
                   i < 10 ? std::to_string(i) : "[\"n" + std::to_string(i - 10) + "\", 0]");
  for (int i = 0; i < 30; ++i)
    text += "\"s" + std::to_string(i) + R"(": {"class_type": "TestSum", "inputs": {"numbers": ["n)" +
            std::to_string(i + 30) + R"(", 0], "more": ["n)" + std::to_string(59 - i) + R"(", 0]}}, "show)" +
            std::to_string(i) + R"(": {"class_type": "TestShow", "inputs": {"value": ["s)" + std::to_string(i) +
            R"(", 0]}}, )";
  text += kShow + "1}}}";
  std::string first;
  for (const auto kind : {CachePolicy::Kind::kClassic, CachePolicy::Kind::kNone, CachePolicy::Kind::kLru}) {
    Executor executor(registry_, {.cache = {kind, 5}, .side_threads = 8});
    for (int i = 0; i < 2; ++i) {
      const auto outcome = test::run(executor, registry_, text);
      ASSERT_EQ(outcome.result.status, ExecutionResult::Status::kSuccess) << outcome.journal.lines.back();
      if (first.empty()) first = outcome.result.outputs.dump();
      EXPECT_EQ(outcome.result.outputs.dump(), first);
    }
  }
}

TEST(SideThreads, DropWhatHasNotBegunWhenTheyEnd) {
  std::atomic<int> done = 0;
  {
    SideThreads threads(2, [](const SideThreads::Task& work) { work(); });
    for (int i = 0; i < 3; ++i) threads.start([&] { ++done; }, i == 1);
    while (done < 3) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace easel
