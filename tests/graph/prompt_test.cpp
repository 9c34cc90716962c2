#include "graph/prompt.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace easel {
namespace {

std::string why_refused(const std::string& text, PromptLimits limits = {}) {
  try {
    parse_prompt(text, limits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Prompt, KeepsNodesAndInputsInOrder) {
  const Prompt prompt = parse_prompt(R"({
    "9": {"class_type": "B", "inputs": {"z": 1, "a": ["10", 2], "list": [1, 2, 3], "deep": {"x": [{"y": null}]}}, "_meta": {"title": "T"}},
    "10": {"inputs": {}, "class_type": "A"}})");
  ASSERT_EQ(prompt.nodes.size(), 2u);
  const PromptNode& node = prompt.nodes[0];
  EXPECT_EQ(node.id, "9");
  EXPECT_EQ(node.class_type, "B");
  EXPECT_EQ(node.others, Json::parse(R"({"_meta": {"title": "T"}})"));
  ASSERT_EQ(node.inputs.size(), 4u);
  EXPECT_EQ(node.inputs[0].name, "z");
  EXPECT_EQ(*node.input("z")->constant(), Json(1));
  EXPECT_EQ(node.input("a")->link()->node, "10");
  EXPECT_EQ(node.input("a")->link()->slot, 2);
  EXPECT_EQ(node.input("a")->link()->source, 1u);
  EXPECT_EQ(*node.input("list")->constant(), Json::parse("[1,2,3]"));
  EXPECT_EQ(*node.input("deep")->constant(), Json::parse(R"({"x": [{"y": null}]})"));
  EXPECT_EQ(prompt.find("10"), 1u);
  EXPECT_EQ(prompt.find("11"), Prompt::kNone);
}

TEST(Prompt, RoundTrip) {
  const std::string text =
      R"({"1":{"inputs":{"s":"\u00e9\ud83d\ude00\u0000","n":18446744073709551615,"f":1.5,"l":["2",0],)"
      R"("wrapped":{"__value__":["2",0]}},"class_type":"A","_meta":{"title":"T"}},"2":{"inputs":{},"class_type":"B"}})";
  EXPECT_EQ(prompt_to_json(parse_prompt(text)), text);
  // A list that reads as a link is wrapped, so that it comes back as what it is.
  Prompt prompt = parse_prompt(text);
  prompt.nodes[0].input("wrapped")->value = Json::array({"2", 0});
  EXPECT_EQ(prompt_to_json(prompt), text);
}

TEST(Prompt, OfAKeyThatComesTwiceTheLastCounts) {
  const Prompt prompt =
      parse_prompt(R"({"1": {"class_type": "A", "inputs": {"x": 1, "y": 2, "x": 3}}, "2": {"class_type": "B"},
      "1": {"inputs": {"q": 0}, "class_type": "C", "inputs": {"x": 4}}})");
  ASSERT_EQ(prompt.nodes.size(), 2u);
  EXPECT_EQ(prompt.nodes[0].class_type, "C");
  ASSERT_EQ(prompt.nodes[0].inputs.size(), 1u);
  EXPECT_EQ(*prompt.nodes[0].input("x")->constant(), Json(4));
  EXPECT_EQ(*parse_prompt(R"({"1": {"inputs": {"x": 1, "x": 3}}})").nodes[0].input("x")->constant(), Json(3));
}

TEST(Prompt, OddNodesAreKeptForValidation) {
  const Prompt prompt =
      parse_prompt(R"({"1": 5, "2": null, "3": [1, {"a": 2}], "4": {}, "5": {"class_type": 7, "inputs": [1]}})");
  ASSERT_EQ(prompt.nodes.size(), 5u);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(prompt.nodes[i].class_type) << i;
  EXPECT_EQ(prompt.nodes[4].class_type, "7");
  EXPECT_EQ(prompt.nodes[4].others["inputs"], Json::array({1}));
}

TEST(Prompt, LinksAreTwoElementListsOfTextAndInteger) {
  const Prompt prompt = parse_prompt(R"({"1": {"inputs": {"a": ["1", 0.0], "b": [1, 0], "c": ["1", "0"], "d": ["1", -1],
      "e": ["1", 18446744073709551615], "f": ["7", 0]}}})");
  const PromptNode& node = prompt.nodes[0];
  for (const char* constant : {"a", "b", "c"}) EXPECT_TRUE(node.input(constant)->constant()) << constant;
  EXPECT_EQ(node.input("d")->link()->slot, -1);
  EXPECT_EQ(node.input("e")->link()->slot, INT64_MAX);
  EXPECT_EQ(node.input("f")->link()->source, Link::kMissing);
}

TEST(Prompt, RefusesWhatIsNoJsonOrNoObject) {
  for (const char* text : {"", "{not json", "[]", "5", "null", "\"x\"", "[[]]", "{} {}", "{\"1\": {}", "{\"1\": NaN}",
                           "{\"1\": {\"inputs\": {\"x\": Infinity}}}", "{\"1\": {\"inputs\": {\"x\": 1e400}}}",
                           "{\"1\": \"\\ud800\"}", "{\"1\": \"\\udc00x\"}", "{\"1\": \"\xff\"}", "{'1': 2}"})
    EXPECT_NE(why_refused(text), "") << text;
  EXPECT_EQ(why_refused("{}"), "");
  // The message itself must be fit for JSON.
  EXPECT_NO_THROW(Json(why_refused("{\"1\": \"\xff\"}")).dump());
}

TEST(Prompt, Bounds) {
  const auto nested = [](int depth) {
    return R"({"1": {"inputs": {"x": )" + std::string(depth, '[') + std::string(depth, ']') + "}}}";
  };
  EXPECT_EQ(why_refused(nested(509)), "");
  EXPECT_NE(why_refused(nested(510)), "");
  EXPECT_NE(why_refused(std::string(100'000, '[')), "");
  EXPECT_NE(why_refused(R"({"1": {}, "2": {}, "3": {}})", {.nodes = 2}), "");
  EXPECT_EQ(why_refused(R"({"1": {}, "2": {}, "1": {}})", {.nodes = 2}), "");
  EXPECT_NE(why_refused(R"({"1": {"inputs": {"x": [1, 2, 3, 4]}}})", {.values = 6}), "");
  EXPECT_NE(why_refused("{}    ", {.bytes = 5}), "");
}

TEST(PromptBody, KeepsTheWorkflowAsText) {
  const PromptBody body = parse_prompt_body(R"({"client_id": "c", "prompt": {"1": {"class_type": "A", "inputs": {}}},
      "extra_data": {"extra_pnginfo": { "workflow":  {"b": [1.50, {}], "a": "}"} }, "token": [1]}, "number": -1})");
  ASSERT_TRUE(body.prompt);
  EXPECT_EQ(body.prompt->nodes.size(), 1u);
  EXPECT_EQ(body.extra_pnginfo, R"({ "workflow":  {"b": [1.50, {}], "a": "}"} })");
  EXPECT_EQ(body.rest, Json::parse(R"({"client_id": "c", "extra_data": {"token": [1]}, "number": -1})"));
}

TEST(PromptBody, OddBodies) {
  EXPECT_FALSE(parse_prompt_body("{}").prompt);
  EXPECT_FALSE(parse_prompt_body(R"({"prompt": null})").prompt);
  EXPECT_FALSE(parse_prompt_body(R"({"prompt": {}, "prompt": []})").prompt);
  EXPECT_TRUE(parse_prompt_body(R"({"prompt": {}})").prompt);
  EXPECT_EQ(parse_prompt_body(R"({"extra_data": {"extra_pnginfo": {}}, "extra_data": 5})").extra_pnginfo, "");
  EXPECT_EQ(parse_prompt_body(R"({"extra_data": {"extra_pnginfo": 5}})").extra_pnginfo, "");
  EXPECT_THROW(parse_prompt_body("[]"), Error);
  EXPECT_THROW(parse_prompt_body(R"({"extra_data": {"extra_pnginfo": )" + std::string(600, '[')), Error);
}

TEST(ParseJson, Bounds) {
  EXPECT_EQ(parse_json("[1, {\"a\": 2}]"), Json::parse("[1, {\"a\": 2}]"));
  EXPECT_EQ(parse_ordered_json(R"({"b": 1, "a": {"d": [], "c": 2}})").dump(), R"({"b":1,"a":{"d":[],"c":2}})");
  EXPECT_THROW(parse_json(std::string(513, '[') + std::string(513, ']')), Error);
  EXPECT_THROW(parse_json("NaN"), Error);
}

// Quadratic time would be minutes here.
TEST(Prompt, ManyKeysAreLinear) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\": {\"class_type\": \"A\"}";
  EXPECT_EQ(parse_prompt(text + "}").nodes.size(), 100'000u);
  text = R"({"1": {"inputs": {)";
  for (int i = 0; i < 100'000; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\": 0";
  EXPECT_EQ(parse_prompt(text + "}}}").nodes[0].inputs.size(), 100'000u);
}

}  // namespace
}  // namespace easel
