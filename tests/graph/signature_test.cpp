#include "graph/signature.h"

#include <cmath>

#include "support.h"

namespace easel {
namespace {

class Signatures : public testing::Test {
 protected:
  std::optional<Signature> of(const std::string& text, const std::string& node, Json fingerprint = nullptr) {
    const Prompt prompt = parse_prompt(text);
    const auto plan = make_plan(prompt, registry_);
    return test::sign(prompt, plan, std::vector<Json>(plan.size(), fingerprint))[prompt.find(node)];
  }
  static std::string add(const std::string& a, const std::string& b) {
    return R"({"class_type": "TestAdd", "inputs": {"a": )" + a + R"(, "b": )" + b + "}}";
  }
  const Registry registry_ = test::test_registry();
};

TEST_F(Signatures, IdsTitlesAndOrderPlayNoPart) {
  const auto one = of("{\"1\": " + add("1", "2") + ", \"2\": " + add("[\"1\", 0]", "3") + "}", "2");
  const auto other = of("{\"x\": " + add("[\"y\", 0]", "3") +
                            R"(, "y": {"_meta": {"title": "T"}, "inputs": {"b": 2, "a": 1}, "class_type": "TestAdd"}})",
                        "x");
  EXPECT_TRUE(one);
  EXPECT_EQ(one, other);
}

TEST_F(Signatures, ConstantsCountByValueAsInPython) {
  const auto one = of("{\"1\": " + add("1", "0") + "}", "1");
  EXPECT_EQ(one, of("{\"1\": " + add("1.0", "-0.0") + "}", "1"));
  EXPECT_EQ(one, of("{\"1\": " + add("true", "false") + "}", "1"));
  EXPECT_NE(one, of("{\"1\": " + add("\"1\"", "0") + "}", "1"));
  EXPECT_NE(one, of("{\"1\": " + add("1.5", "0") + "}", "1"));
  EXPECT_NE(one, of("{\"1\": " + add("0", "1") + "}", "1"));
  EXPECT_NE(one, of("{\"1\": " + add("1", "null") + "}", "1"));
  EXPECT_NE(of("{\"1\": " + add("18446744073709551615", "0") + "}", "1"),
            of("{\"1\": " + add("18446744073709551614", "0") + "}", "1"));
  EXPECT_NE(of("{\"1\": " + add("[1, 2, 3]", "0") + "}", "1"), of("{\"1\": " + add("[12, 3]", "0") + "}", "1"));
  EXPECT_EQ(of("{\"1\": " + add("{\"x\": 1, \"y\": 2}", "0") + "}", "1"),
            of("{\"1\": " + add("{\"y\": 2, \"x\": 1.0}", "0") + "}", "1"));
}

TEST_F(Signatures, WhatTheyDependOn) {
  const std::string tail = ", \"2\": " + add("[\"1\", 0]", "3") + "}";
  const auto base = of("{\"1\": " + add("1", "2") + tail, "2");
  EXPECT_NE(base, of("{\"1\": " + add("1", "9") + tail, "2"));
  EXPECT_NE(base, of(R"({"1": {"class_type": "TestRange", "inputs": {"first": 1, "count": 2}})" + tail, "2"));
  EXPECT_NE(
      of(R"({"1": {"class_type": "TestOptional", "inputs": {"value": 1}}, "2": )" + add("[\"1\", 0]", "0") + "}", "2"),
      of(R"({"1": {"class_type": "TestOptional", "inputs": {"value": 1}}, "2": )" + add("[\"1\", 1]", "0") + "}", "2"));
  EXPECT_NE(base, of("{\"1\": " + add("1", "2") + tail, "2", "changed"));
}

TEST_F(Signatures, NodesThatKnowTheirIdAreKeyedByIt) {
  const auto by_id = [&](const std::string& id) {
    return of("{\"" + id + R"(": {"class_type": "TestById", "inputs": {"value": 1}}})", id);
  };
  EXPECT_EQ(by_id("1"), by_id("1"));
  EXPECT_NE(by_id("1"), by_id("2"));
}

TEST_F(Signatures, NoneForWhatMustAlwaysRun) {
  EXPECT_FALSE(of("{\"1\": " + add("1", "2") + "}", "1", std::nan("")));
  EXPECT_FALSE(of("{\"1\": " + add("1", "2") + "}", "1", Json::array({1, std::nan("")})));
  EXPECT_FALSE(of("{\"1\": " + add("[\"9\", 0]", "2") + "}", "1"));
  const std::string ring = "{\"1\": " + add("[\"2\", 0]", "1") + ", \"2\": " + add("[\"3\", 0]", "1") +
                           ", \"3\": " + add("[\"1\", 0]", "1") + ", \"4\": " + add("[\"2\", 0]", "1") +
                           ", \"5\": " + add("1", "1") + "}";
  for (const char* node : {"1", "2", "3", "4"}) EXPECT_FALSE(of(ring, node)) << node;
  EXPECT_TRUE(of(ring, "5"));
}

TEST_F(Signatures, UndeclaredInputsPlayNoPart) {
  EXPECT_EQ(of("{\"1\": " + add("1", "2") + "}", "1"),
            of(R"({"1": {"class_type": "TestAdd", "inputs": {"a": 1, "b": 2, "c": 3, "d": ["9", 0]}}})", "1"));
}

}  // namespace
}  // namespace easel
