#include "graph/schedule.h"

#include <gmock/gmock.h>

#include "support.h"

namespace easel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ScheduleTest : public testing::Test {
 protected:
  // The ids in the order in which they would run; `cached` nodes give their results already.
  std::vector<std::string> order(const std::string& text, std::vector<std::string> targets,
                                 std::vector<std::string> cached = {}) {
    prompt_ = parse_prompt(text);
    plan_ = make_plan(prompt_, registry_);
    std::vector<size_t> indexes;
    for (const std::string& target : targets) indexes.push_back(prompt_.find(target));
    Schedule schedule(plan_, [&](size_t node) {
      return std::find(cached.begin(), cached.end(), prompt_.nodes[node].id) != cached.end();
    });
    for (size_t target : indexes) schedule.add(target);
    std::vector<std::string> ids;
    while (auto node = schedule.next()) {
      ids.push_back(prompt_.nodes[*node].id);
      schedule.done(*node);
    }
    cycle_.clear();
    for (size_t node : schedule.cycle()) cycle_.push_back(prompt_.nodes[node].id);
    return ids;
  }

  const Registry registry_ = test::test_registry();
  Prompt prompt_;
  std::vector<PlannedNode> plan_;
  std::vector<std::string> cycle_;
};

constexpr const char* kTwoBranches = R"({
    "a": {"class_type": "TestInt", "inputs": {"value": 1}},
    "b": {"class_type": "TestAdd", "inputs": {"a": ["a", 0], "b": 1}},
    "c": {"class_type": "TestAdd", "inputs": {"a": ["b", 0], "b": 1}},
    "far": {"class_type": "TestShow", "inputs": {"value": ["c", 0]}},
    "d": {"class_type": "TestInt", "inputs": {"value": 2}},
    "near": {"class_type": "TestShow", "inputs": {"value": ["d", 0]}},
    "unused": {"class_type": "TestInt", "inputs": {"value": 3}}})";

TEST_F(ScheduleTest, WhatShowsSomethingSoonestGoesFirst) {
  EXPECT_THAT(order(kTwoBranches, {"far", "near"}), ElementsAre("d", "near", "a", "b", "c", "far"));
  EXPECT_THAT(order(kTwoBranches, {"near"}), ElementsAre("d", "near"));
}

TEST_F(ScheduleTest, NothingBehindACachedNodeRuns) {
  EXPECT_THAT(order(kTwoBranches, {"far"}, {"b"}), ElementsAre("c", "far"));
  EXPECT_THAT(order(kTwoBranches, {"far"}, {"far"}), ElementsAre("far"));
  EXPECT_THAT(order(kTwoBranches, {}), IsEmpty());
}

TEST_F(ScheduleTest, ALinkThatComesTwiceBlocksOnce) {
  EXPECT_THAT(order(R"({"a": {"class_type": "TestInt", "inputs": {"value": 1}},
                        "b": {"class_type": "TestAdd", "inputs": {"a": ["a", 0], "b": ["a", 0]}},
                        "c": {"class_type": "TestShow", "inputs": {"value": ["b", 0]}}})",
                    {"c"}),
              ElementsAre("a", "b", "c"));
}

TEST_F(ScheduleTest, Cycles) {
  EXPECT_THAT(order(R"({"a": {"class_type": "TestAdd", "inputs": {"a": ["b", 0], "b": ["x", 0]}},
                        "b": {"class_type": "TestAdd", "inputs": {"a": ["a", 0], "b": 1}},
                        "x": {"class_type": "TestInt", "inputs": {"value": 1}},
                        "c": {"class_type": "TestShow", "inputs": {"value": ["b", 0]}}})",
                    {"c"}),
              ElementsAre("x"));
  EXPECT_THAT(cycle_, testing::UnorderedElementsAre("a", "b"));
}

TEST_F(ScheduleTest, WhatRunsBesideOthersGoesFirst) {
  EXPECT_THAT(order(R"({"a": {"class_type": "TestInt", "inputs": {"value": 1}},
                        "near": {"class_type": "TestShow", "inputs": {"value": ["a", 0]}},
                        "b": {"class_type": "TestBeside", "inputs": {"value": 1, "seconds": 0}},
                        "c": {"class_type": "TestAdd", "inputs": {"a": ["b", 0], "b": 1}},
                        "far": {"class_type": "TestShow", "inputs": {"value": ["c", 0]}}})",
                    {"near", "far"}),
              ElementsAre("b", "a", "near", "c", "far"));
}

TEST_F(ScheduleTest, LazyInputsAreFollowedWhenTheyAreAskedFor) {
  prompt_ = parse_prompt(R"({"a": {"class_type": "TestInt", "inputs": {"value": 1}},
      "b": {"class_type": "TestAdd", "inputs": {"a": ["a", 0], "b": 1}},
      "c": {"class_type": "TestChoose", "inputs": {"condition": true, "yes": ["b", 0], "no": ["a", 0]}}})");
  plan_ = make_plan(prompt_, registry_);
  std::vector<bool> has_result(3);
  Schedule schedule(plan_, [&](size_t node) { return has_result[node]; });
  schedule.add(2);
  ASSERT_EQ(schedule.next(), 2);
  EXPECT_EQ(schedule.next(), std::nullopt);
  schedule.need(2, {1, 1});
  schedule.put_back(2);
  for (size_t node : {0, 1, 2}) {
    ASSERT_EQ(schedule.next(), node);
    has_result[node] = true;
    schedule.done(node);
  }
  EXPECT_EQ(schedule.next(), std::nullopt);
  EXPECT_THAT(schedule.cycle(), IsEmpty());
}

TEST_F(ScheduleTest, ACycleMayComeWithALazyInput) {
  prompt_ = parse_prompt(R"({"a": {"class_type": "TestChoose", "inputs": {"condition": true, "yes": ["b", 0], "no": 0}},
      "b": {"class_type": "TestChoose", "inputs": {"condition": true, "yes": ["a", 0], "no": 0}}})");
  plan_ = make_plan(prompt_, registry_);
  Schedule schedule(plan_, [](size_t) { return false; });
  schedule.add(0);
  for (size_t node : {0, 1}) {
    ASSERT_EQ(schedule.next(), node);
    schedule.need(node, {1 - node});
    schedule.put_back(node);
  }
  EXPECT_EQ(schedule.next(), std::nullopt);
  EXPECT_THAT(schedule.cycle(), testing::UnorderedElementsAre(0, 1));
}

TEST_F(ScheduleTest, AResultThatWasLetGoIsMadeAgain) {
  prompt_ = parse_prompt(kTwoBranches);
  plan_ = make_plan(prompt_, registry_);
  std::vector<bool> has_result(plan_.size());
  Schedule schedule(plan_, [&](size_t node) { return has_result[node]; });
  schedule.add(prompt_.find("a"));
  schedule.done(*schedule.next());
  schedule.add(prompt_.find("b"));  // "a" was run, and its result is gone
  EXPECT_EQ(schedule.next(), prompt_.find("a"));
  schedule.done(prompt_.find("a"));
  EXPECT_EQ(schedule.next(), prompt_.find("b"));
}

}  // namespace
}  // namespace easel
