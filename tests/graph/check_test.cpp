// Checks that nodes make themselves, before a prompt is accepted.
#include <gmock/gmock.h>

#include "graph/describe.h"
#include "support.h"

namespace easel {
namespace {

using testing::HasSubstr;

class Checked : public testing::Test {
 protected:
  ValidationResult check(const std::string& value, const std::string& type = "TestChecked", const Checks& checks = {}) {
    Prompt prompt = parse_prompt(R"({"i": {"class_type": "TestInt", "inputs": {"value": 1}},
        "t": {"class_type": "TestText", "inputs": {"value": "1"}},
        "b": {"class_type": "TestAdd", "inputs": {"a": "x", "b": 1}},
        "c": {"class_type": ")" + type +
                                 R"(", "inputs": {"value": )" + value + R"(}},
        "add": {"class_type": "TestAdd", "inputs": {"a": ["c", 0], "b": 1}},
        "show": {"class_type": "TestShow", "inputs": {"value": ["add", 0]}},
        "other": {"class_type": "TestShow", "inputs": {"value": "y"}}})");
    return validate(prompt, registry_, {}, std::nullopt, checks);
  }
  const Registry registry_ = test::test_registry();
};

TEST_F(Checked, AnErrorForEachInputItNames) {
  EXPECT_TRUE(check("4").node_errors.empty());
  const auto bad = check("3");
  EXPECT_TRUE(bad.ok);  // the other output is good
  EXPECT_THAT(bad.outputs_to_execute, testing::ElementsAre("other"));
  EXPECT_EQ(bad.node_errors["c"].dump(),
            R"({"errors":[{"type":"custom_validation_failed","message":"Custom validation failed for node",)"
            R"("details":"value - 3 is odd","extra_info":{"input_name":"value"}}],)"
            R"("dependent_outputs":["show"],"class_type":"TestChecked"})");
  EXPECT_EQ(check("11").node_errors["c"]["errors"][0]["details"], "value");
}

TEST_F(Checked, ItReplacesRangesAndKeepsConversion) {
  EXPECT_TRUE(check("8").node_errors.empty());  // beyond max
  EXPECT_TRUE(check("\"8\"").node_errors.empty());
  EXPECT_EQ(check("\"x\"").node_errors["c"]["errors"][0]["type"], "invalid_input_type");
}

TEST_F(Checked, ItSeesConstantsOnly) { EXPECT_TRUE(check(R"(["i", 0])").node_errors.empty()); }

TEST_F(Checked, AnExceptionInItIsTheNodesError) {
  const auto bad = check("13");
  EXPECT_EQ(bad.node_errors["c"]["errors"][0]["type"], "exception_during_validation");
  EXPECT_EQ(bad.node_errors["c"]["errors"][0]["details"], "13 is not looked at");
}

TEST_F(Checked, TypesOfLinksMayBeItsToJudge) {
  EXPECT_TRUE(check(R"(["t", 0])", "TestCheckedTypes").node_errors.empty());  // STRING into INT
  const auto bad = check(R"(["i", 0])", "TestCheckedTypes");
  EXPECT_EQ(bad.node_errors["c"]["errors"][0]["details"], "input_types - a INT is linked");
  EXPECT_EQ(check(R"(["b", 0])", "TestCheckedTypes").node_errors.count("b"), 1);  // what is linked is checked too
}

// The server has declarations only, and asks.
TEST_F(Checked, AllQuestionsAreAskedAtOnce) {
  const Registry declared = read_nodes(describe(registry_));
  EXPECT_FALSE(declared.find("TestChecked")->check.run);
  EXPECT_TRUE(declared.find("TestCheckedTypes")->check.link_types);
  EXPECT_TRUE(declared.find("TestVariadic")->variadic);
  EXPECT_EQ(declared.find("TestInOrder")->overlap, Overlap::kInOrder);
  int asked = 0;
  Prompt prompt = parse_prompt(R"({"1": {"class_type": "TestChecked", "inputs": {"value": 1}},
      "2": {"class_type": "TestChecked", "inputs": {"value": 2}},
      "3": {"class_type": "TestCheckedTypes", "inputs": {"value": ["1", 0]}},
      "4": {"class_type": "TestShow", "inputs": {"value": ["2", 0]}},
      "5": {"class_type": "TestShow", "inputs": {"value": ["3", 0]}}})");
  const auto result = validate(prompt, declared, {}, std::nullopt, [&](const std::vector<CheckQuestion>& questions) {
    ++asked;
    EXPECT_EQ(questions.size(), 3);
    return answer_checks(registry_, questions);
  });
  EXPECT_EQ(asked, 1);
  EXPECT_THAT(result.outputs_to_execute, testing::ElementsAre("4"));
  EXPECT_EQ(result.node_errors.size(), 2);
  Prompt again = parse_prompt(R"({"1": {"class_type": "TestChecked", "inputs": {"value": 1}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_EQ(validate(again, declared, {}).node_errors["1"]["errors"][0]["details"],
            "the check of TestChecked is not known here");
}

TEST_F(Checked, ACycleThroughUndeclaredInputsIsFoundBeforeItRuns) {
  Prompt prompt = parse_prompt(R"({"v": {"class_type": "TestVariadic", "inputs": {"first": 0, "more": ["w", 0]}},
      "w": {"class_type": "TestVariadic", "inputs": {"first": 0, "more": ["v", 0]}},
      "show": {"class_type": "TestShow", "inputs": {"value": ["v", 0]}}})");
  const auto result = validate(prompt, registry_, {});
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.error.details, HasSubstr("Dependency cycle"));
}

}  // namespace
}  // namespace easel
