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
    Schedule schedule(plan_, indexes, [&](size_t node) {
      return std::find(cached.begin(), cached.end(), prompt_.nodes[node].id) != cached.end();
    });
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

}  // namespace
}  // namespace easel
