#include "graph/execute.h"

#include <gmock/gmock.h>

#include <cmath>

#include "support.h"

namespace easel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Execute : public testing::Test {
 protected:
  test::Outcome run(const std::string& text, std::stop_token interrupt = {}) {
    ran_.clear();
    return test::run(executor_, registry_, text, interrupt);
  }

  std::vector<std::string> ran_;  // ids, in order
  Json fingerprint_ = 1;
  bool device_full_ = false;
  int unloads_ = 0;
  const Registry registry_ =
      test::test_registry({.ran = [this](const auto& node, const auto&) { ran_.push_back(node); },
                           .fingerprint = [this] { return fingerprint_; }});
  Executor executor_{registry_,
                     {.is_out_of_memory = [this] { return device_full_; }, .on_out_of_memory = [this] { ++unloads_; }}};
};

constexpr const char* kSum = R"({
    "1": {"class_type": "TestInt", "inputs": {"value": 2}},
    "2": {"class_type": "TestAdd", "inputs": {"a": ["1", 0], "b": 40}},
    "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}})";

TEST_F(Execute, FreshThenCachedThenPartly) {
  auto first = run(kSum);
  EXPECT_THAT(first.journal.lines, ElementsAre("start", "cached", "executing 1", "executing 2", "executing 3",
                                               "text 3 showing 42", R"(executed 3 {"text":["42"]})", "success"));
  EXPECT_EQ(first.result.outputs.dump(), R"({"3":{"text":["42"]}})");
  EXPECT_EQ(first.result.meta.dump(),
            R"({"3":{"node_id":"3","display_node":"3","parent_node":null,"real_node_id":"3"}})");

  auto again = run(kSum);
  EXPECT_THAT(ran_, IsEmpty());
  EXPECT_THAT(again.journal.lines, ElementsAre("start", "cached 1 2 3", R"(executed 3 {"text":["42"]})", "success"));
  EXPECT_EQ(again.result.outputs, first.result.outputs);

  run(R"({"10": {"class_type": "TestInt", "inputs": {"value": 2}},
          "20": {"class_type": "TestAdd", "inputs": {"a": ["10", 0], "b": 50}},
          "30": {"class_type": "TestShow", "inputs": {"value": ["20", 0]}}})");
  EXPECT_THAT(ran_, ElementsAre("20", "30"));

  run(kSum);  // what the prompt in between did not use is gone
  EXPECT_THAT(ran_, ElementsAre("2", "3"));
  executor_.forget_all();
  run(kSum);
  EXPECT_THAT(ran_, ElementsAre("1", "2", "3"));
}

TEST_F(Execute, ProgressOfNodes) {
  const auto outcome = run(R"({"1": {"class_type": "TestSleep", "inputs": {"value": 1, "seconds": 0.02}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_THAT(outcome.journal.lines, testing::IsSupersetOf({"progress 1 1/2", "progress 1 2/2"}));
  std::vector<std::string> states;
  for (const NodeProgress& state : outcome.journal.states)
    states.push_back(state.node_id + " " + state.state + " " + Json(state.value).dump() + "/" + Json(state.max).dump());
  EXPECT_THAT(states, ElementsAre("1 running 0.0/1.0", "1 running 1.0/2.0", "1 running 2.0/2.0", "1 finished 2.0/2.0",
                                  "2 running 0.0/1.0", "2 finished 1.0/1.0"));
}

TEST_F(Execute, PreviewsOnlyWhereTheyAreWanted) {
  const std::string text = R"({"1": {"class_type": "TestSleep", "inputs": {"value": 1, "seconds": 0.01}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})";
  EXPECT_THAT(run(text).journal.lines, testing::Not(testing::Contains("preview 1 image/jpeg")));
  executor_.forget_all();
  test::Journal journal;
  executor_.run({.prompt = parse_prompt(text), .outputs = {"2"}, .previews = {.method = "auto"}}, journal);
  EXPECT_THAT(journal.lines, testing::Contains("preview 1 image/jpeg"));
}

TEST_F(Execute, ListsAreMappedAndShorterOnesRepeatTheirLast) {
  const auto outcome = run(R"({"a": {"class_type": "TestRange", "inputs": {"first": 1, "count": 3}},
      "b": {"class_type": "TestRange", "inputs": {"first": 10, "count": 2}},
      "c": {"class_type": "TestAdd", "inputs": {"a": ["a", 0], "b": ["b", 0]}},
      "d": {"class_type": "TestShow", "inputs": {"value": ["c", 0]}},
      "e": {"class_type": "TestSum", "inputs": {"numbers": ["c", 0]}},
      "f": {"class_type": "TestSum", "inputs": {"numbers": ["c", 0], "more": ["b", 0]}},
      "g": {"class_type": "TestShow", "inputs": {"value": ["e", 0]}},
      "h": {"class_type": "TestShow", "inputs": {"value": ["f", 0]}}})");
  EXPECT_EQ(outcome.result.outputs["d"].dump(), R"({"text":["11","13","14"]})");
  EXPECT_EQ(outcome.result.outputs["g"].dump(), R"({"text":["38"]})");
  EXPECT_EQ(outcome.result.outputs["h"].dump(), R"({"text":["59"]})");
}

TEST_F(Execute, AnEmptyListIsAnErrorForANodeThatTakesOneValue) {
  const auto outcome = run(R"({"a": {"class_type": "TestRange", "inputs": {"first": 1, "count": 0}},
      "b": {"class_type": "TestShow", "inputs": {"value": ["a", 0]}}})");
  EXPECT_EQ(outcome.journal.lines.back(), "error b RuntimeError: TestShow: input 'value' got an empty list");
  EXPECT_EQ(run(R"({"a": {"class_type": "TestRange", "inputs": {"first": 1, "count": 0}},
      "b": {"class_type": "TestSum", "inputs": {"numbers": ["a", 0]}},
      "c": {"class_type": "TestShow", "inputs": {"value": ["b", 0]}}})")
                .result.outputs["c"]
                .dump(),
            R"({"text":["0"]})");
}

TEST_F(Execute, OptionalInputs) {
  EXPECT_EQ(run(R"({"a": {"class_type": "TestOptional", "inputs": {"value": 1}},
      "b": {"class_type": "TestOptional", "inputs": {"value": 1, "other": 2}},
      "c": {"class_type": "TestShow", "inputs": {"value": ["a", 1]}}, "d": {"class_type": "TestShow", "inputs": {"value": ["b", 0]}}})")
                .result.outputs.dump(),
            R"({"c":{"text":["absent"]},"d":{"text":["3"]}})");
}

TEST_F(Execute, AFailureNamesTheNodeAndKeepsWhatRan) {
  const std::string text = R"({"1": {"class_type": "TestInt", "inputs": {"value": 7}},
      "2": {"class_type": "TestFail", "inputs": {"value": ["1", 0], "message": "no such thing"}},
      "3": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}}})";
  const auto outcome = run(text);
  EXPECT_EQ(outcome.result.status, ExecutionResult::Status::kError);
  ASSERT_TRUE(outcome.journal.failure);
  const ExecutionFailure& failure = *outcome.journal.failure;
  EXPECT_EQ(failure.node_id, "2");
  EXPECT_EQ(failure.node_type, "TestFail");
  EXPECT_EQ(failure.message, "no such thing");
  EXPECT_EQ(failure.type, "RuntimeError");
  EXPECT_THAT(failure.executed, ElementsAre("1"));
  EXPECT_EQ(failure.current_inputs.dump(), R"({"value":[7],"message":["no such thing"]})");
  EXPECT_THAT(failure.current_outputs, ElementsAre("1", "2", "3"));
  EXPECT_FALSE(failure.traceback.empty());
  EXPECT_EQ(unloads_, 0);
  run(text);
  EXPECT_THAT(ran_, ElementsAre("2"));
}

TEST_F(Execute, OutOfMemoryLetsModelsGo) {
  const auto outcome = run(R"({"1": {"class_type": "TestOutOfMemory", "inputs": {"value": 1}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_EQ(outcome.journal.failure->type, "MemoryError");
  EXPECT_EQ(unloads_, 1);
  device_full_ = true;
  EXPECT_EQ(run(R"({"1": {"class_type": "TestFail", "inputs": {"value": 1, "message": "m"}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})")
                .journal.failure->type,
            "torch.OutOfMemoryError");
  EXPECT_EQ(unloads_, 2);
}

TEST_F(Execute, InterruptBetweenAndWithinNodes) {
  std::stop_source early;
  early.request_stop();
  const auto before = run(kSum, early.get_token());
  EXPECT_EQ(before.result.status, ExecutionResult::Status::kInterrupted);
  EXPECT_EQ(before.journal.lines.back(), "interrupted ");
  EXPECT_THAT(ran_, IsEmpty());

  std::stop_source within;
  test::Journal journal;
  journal.on_step = [&] { within.request_stop(); };
  const auto result = executor_.run(
      {.prompt = parse_prompt(R"({"1": {"class_type": "TestSleep", "inputs": {"value": 1, "seconds": 60.0}},
           "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})"),
       .outputs = {"2"}},
      journal, within.get_token());
  EXPECT_EQ(result.status, ExecutionResult::Status::kInterrupted);
  EXPECT_EQ(journal.lines.back(), "interrupted 1");
  EXPECT_THAT(run(kSum).journal.lines, testing::Contains("success"));  // the next one is not
}

TEST_F(Execute, EqualNodesRunOnceAndBothShow) {
  const auto outcome = run(R"({"1": {"class_type": "TestShow", "inputs": {"value": "x"}},
      "2": {"class_type": "TestShow", "inputs": {"value": "x"}}})");
  EXPECT_THAT(ran_, ElementsAre("1"));
  EXPECT_EQ(outcome.result.outputs.dump(), R"({"1":{"text":["x"]},"2":{"text":["x"]}})");
  EXPECT_THAT(outcome.journal.lines, testing::Contains(R"(executed 2 {"text":["x"]})"));
}

TEST_F(Execute, AnOutputInTheMiddle) {
  const auto outcome = run(R"({"1": {"class_type": "TestPass", "inputs": {"value": "x"}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_EQ(outcome.result.outputs.dump(), R"({"1":{"passed":["x"]},"2":{"text":["x"]}})");
}

TEST_F(Execute, Fingerprints) {
  const std::string text = R"({"1": {"class_type": "TestFingerprint", "inputs": {"value": 1}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})";
  run(text);
  run(text);
  EXPECT_THAT(ran_, IsEmpty());
  fingerprint_ = 2;
  run(text);
  EXPECT_THAT(ran_, ElementsAre("1", "2"));
  fingerprint_ = std::nan("");  // never equals itself
  run(text);
  EXPECT_THAT(ran_, ElementsAre("1", "2"));
  run(text);
  EXPECT_THAT(ran_, ElementsAre("1", "2"));
}

TEST_F(Execute, AFingerprintThatThrowsMeansAlways) {
  Registry registry;
  registry.add({.id = "N",
                .run =
                    [] {
                      return Ui{{{"x", {1}}}};
                    },
                .is_output = true,
                .fingerprint = [](const std::vector<Argument>&) -> Json { fail("no file"); }});
  Executor executor(registry);
  for (int i = 0; i < 2; ++i)
    EXPECT_THAT(test::run(executor, registry, R"({"1": {"class_type": "N"}})").journal.lines,
                testing::Contains("executing 1"));
}

TEST_F(Execute, WhatTheNodeSeesOfThePrompt) {
  Registry registry;
  std::string seen;
  registry.add(
      {.id = "N",
       .inputs = {integer("v")},
       .run =
           [&](Context& c, int64_t) {
             seen = c.node_id() + " " + c.prompt_json() + " " + c.extra_pnginfo().dump() + " " + c.previews().method;
           },
       .is_output = true,
       .fingerprint = [](const std::vector<Argument>& given) { return Json(*given[0][0].get<int64_t>() + 1); }});
  Executor executor(registry);
  test::Journal journal;
  executor.run({.prompt = parse_prompt(R"({"1": {"inputs": {"v": 1}, "class_type": "N"}})"),
                .outputs = {"1"},
                .extra_pnginfo = {{"workflow", 5}}},
               journal);
  EXPECT_EQ(seen, R"(1 {"1":{"inputs":{"v":1},"class_type":"N","is_changed":[2]}} {"workflow":5} none)");
}

// The server validates; the executor must all the same survive what was not.
TEST_F(Execute, PromptsThatWereNotValidated) {
  const auto last_line = [&](const std::string& text, std::vector<std::string> outputs) {
    test::Journal journal;
    const auto result = executor_.run({.prompt = parse_prompt(text), .outputs = outputs}, journal);
    EXPECT_EQ(result.status, ExecutionResult::Status::kError) << text;
    return journal.lines.back();
  };
  EXPECT_EQ(last_line(R"({"1": {"class_type": "Nope"}})", {"1"}), "error  RuntimeError: node 1: no node class 'Nope'");
  EXPECT_THAT(last_line("{}", {"1"}), testing::HasSubstr("not in the prompt"));
  EXPECT_THAT(last_line(R"({"1": {"class_type": "TestShow"}})", {"1"}),
              testing::HasSubstr("input 'value' has no value"));
  EXPECT_THAT(last_line(R"({"1": {"class_type": "TestShow", "inputs": {"value": ["9", 0]}}})", {"1"}),
              testing::HasSubstr("not in the prompt"));
  EXPECT_THAT(last_line(R"({"1": {"class_type": "TestShow", "inputs": {"value": ["2", 5]}},
                            "2": {"class_type": "TestInt", "inputs": {"value": 1}}})",
                        {"1"}),
              testing::HasSubstr("has none such"));
  EXPECT_EQ(last_line(R"({"1": {"class_type": "TestPass", "inputs": {"value": ["1", 0]}}})", {"1"}),
            "error 1 graph.DependencyCycleError: Dependency cycle detected");
  EXPECT_THAT(last_line(R"({"1": {"class_type": "TestAdd", "inputs": {"a": "x", "b": null}}})", {"1"}),
              testing::HasSubstr("a number was wanted"));
}

TEST_F(Execute, LongChains) {
  std::string text = R"({"0": {"class_type": "TestInt", "inputs": {"value": 0}})";
  for (int i = 1; i <= 20'000; ++i)
    text += ", \"" + std::to_string(i) + R"(": {"class_type": "TestAdd", "inputs": {"a": [")" + std::to_string(i - 1) +
            R"(", 0], "b": 1}})";
  text += R"(, "show": {"class_type": "TestShow", "inputs": {"value": ["20000", 0]}}})";
  EXPECT_EQ(run(text).result.outputs["show"].dump(), R"({"text":["20000"]})");
  run(text);
  EXPECT_THAT(ran_, IsEmpty());
}

}  // namespace
}  // namespace easel
