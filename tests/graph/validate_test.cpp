#include "graph/validate.h"

#include <gmock/gmock.h>

#include "support.h"

namespace easel {
namespace {

using testing::ElementsAre;

class Validate : public testing::Test {
 protected:
  ValidationResult check(const std::string& text, std::optional<std::vector<std::string>> targets = std::nullopt) {
    prompt_ = parse_prompt(text);
    return validate(prompt_, registry_, files_, targets);
  }
  // The first error of a node: "type | message | details".
  static std::string error_of(const ValidationResult& result, const std::string& node) {
    if (!result.node_errors.contains(node)) return "";
    const OrderedJson& error = result.node_errors[node]["errors"][0];
    return error["type"].get<std::string>() + " | " + error["message"].get<std::string>() + " | " +
           error["details"].get<std::string>();
  }
  // A TestInt given `value`, shown; its error.
  std::string int_error(const std::string& value) {
    return error_of(check(R"({"1": {"class_type": "TestInt", "inputs": {"value": )" + value +
                          R"(}}, "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})"),
                    "1");
  }

  Registry registry_ = test::test_registry();
  FileQueries files_{.choices = [](const FileSource&) { return std::vector<std::string>{"sd15.safetensors"}; },
                     .exists = [](const FileSource&, const std::string& name) { return name == "there.png [output]"; }};
  Prompt prompt_;
};

Json sorted_errors(Json answer) {
  for (auto& node : answer["node_errors"])
    std::sort(node["errors"].begin(), node["errors"].end(),
              [](const Json& a, const Json& b) { return a.dump() < b.dump(); });
  return answer;
}
Json masked(Json answer) {  // as parity/api/replay.py does
  if (answer.is_array()) {
    for (Json& item : answer) item = masked(item);
  } else if (answer.is_object()) {
    for (const char* prose : {"tooltip", "placeholder", "description"}) answer.erase(prose);
    for (auto& [key, value] : answer.items()) value = key == "exception_message" ? Json("<str>") : masked(value);
  }
  return answer;
}

TEST(ValidateRecorded, EveryPromptCaseOfTheRecording) {
  const auto recorded = test::read_parity("api/cases.json");
  if (!recorded) GTEST_SKIP() << "parity/api is not on this machine (EASEL_PARITY)";
  const Registry registry = test::test_registry();
  int compared = 0;
  for (const Json& one : Json::parse(*recorded)) {
    const std::string name = one["name"];
    const Json body = one.contains("json") ? one["json"] : one;
    if ((!name.starts_with("prompt: ") && !name.starts_with("run: ")) || !body.is_object() || !body.contains("prompt"))
      continue;
    Prompt prompt = parse_prompt(body["prompt"].dump());
    std::optional<std::vector<std::string>> targets;
    if (body.contains("partial_execution_targets")) targets = body["partial_execution_targets"];
    const ValidationResult result = validate(prompt, registry, {}, targets);
    EXPECT_EQ(result.ok, one["expect"]["status"] == 200) << name;
    ++compared;
    if (result.ok) continue;
    const Json answer = {{"error", Json::parse(to_json(result.error).dump())},
                         {"node_errors", Json::parse(result.node_errors.dump())}};
    EXPECT_EQ(sorted_errors(masked(answer)), sorted_errors(one["expect"]["json"])) << name;
  }
  EXPECT_GE(compared, 22);
}

TEST_F(Validate, GoodPrompt) {
  const auto result = check(R"({"1": {"class_type": "TestInt", "inputs": {"value": 3}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}},
      "3": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_TRUE(result.ok);
  EXPECT_TRUE(result.node_errors.empty());
  EXPECT_THAT(result.outputs_to_execute, ElementsAre("2", "3"));
}

TEST_F(Validate, CoercesInPlaceAsPythonWould) {
  EXPECT_EQ(int_error(R"("42")"), "");
  EXPECT_EQ(prompt_.nodes[0].inputs[0].constant()->dump(), "42");
  EXPECT_EQ(int_error("3.9"), "");
  EXPECT_EQ(prompt_.nodes[0].inputs[0].constant()->dump(), "3");
  EXPECT_EQ(int_error("true"), "");
  EXPECT_EQ(prompt_.nodes[0].inputs[0].constant()->dump(), "1");
  EXPECT_EQ(int_error(R"({"__value__": "7"})"), "");
  EXPECT_EQ(prompt_.nodes[0].inputs[0].constant()->dump(), "7");
  EXPECT_EQ(int_error("18446744073709551615"), "");
  EXPECT_EQ(prompt_.nodes[0].inputs[0].constant()->dump(), "18446744073709551615");
  EXPECT_TRUE(
      check(R"({"1": {"class_type": "RegexReplace", "inputs": {"string": 1.0, "regex_pattern": null, "replace": true,
      "case_insensitive": "false", "count": "9"}}, "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}})")
          .ok);
  EXPECT_THAT(prompt_to_json(prompt_),
              testing::HasSubstr(
                  R"("string":"1.0","regex_pattern":"None","replace":"True","case_insensitive":true,"count":9)"));
}

TEST_F(Validate, NumbersOutOfRange) {
  EXPECT_EQ(int_error("-1"), "value_smaller_than_min | Value -1 smaller than min of 0 | value");
  EXPECT_EQ(int_error("18446744073709551616"),
            "value_bigger_than_max | Value 18446744073709551616 bigger than max of 18446744073709551615 | value");
  EXPECT_EQ(
      int_error("1e30"),
      "value_bigger_than_max | Value 1000000000000000019884624838656 bigger than max of 18446744073709551615 | value");
  EXPECT_EQ(
      int_error("null"),
      "invalid_input_type | Failed to convert an input value to a INT value | value, None, int() argument must be a "
      "string, a bytes-like object or a real number, not 'NoneType'");
  const auto result = check(R"({"1": {"class_type": "TestAdd", "inputs": {"a": 1e30, "b": 1}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_EQ(error_of(result, "1"),
            "invalid_input_type | Failed to convert an input value to a INT value | a, 1e+30, the number does not fit "
            "into 64 bits");
}

TEST_F(Validate, TextThatIsNotANumberOrNotFinite) {
  const auto sleep = [&](const std::string& seconds) {
    return error_of(check(R"({"1": {"class_type": "TestSleep", "inputs": {"value": 1, "seconds": )" + seconds +
                          R"(}}, "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})"),
                    "1");
  };
  EXPECT_EQ(sleep(R"("0.5")"), "");
  EXPECT_EQ(prompt_.nodes[0].input("seconds")->constant()->dump(), "0.5");
  EXPECT_EQ(sleep("1"), "");
  EXPECT_TRUE(prompt_.nodes[0].input("seconds")->constant()->is_number_float());
  EXPECT_THAT(sleep(R"("nan")"), testing::StartsWith("invalid_input_type | "));
  EXPECT_THAT(sleep(R"("-inf")"), testing::StartsWith("invalid_input_type | "));
  EXPECT_EQ(sleep("1000"), "value_bigger_than_max | Value 1000.0 bigger than max of 600.0 | seconds");
}

TEST_F(Validate, Links) {
  const auto link = [&](const std::string& value) {
    const auto result = check(R"({"1": {"class_type": "TestInt", "inputs": {"value": 1}},
        "2": {"class_type": "TestShow", "inputs": {"value": )" +
                              value + "}}}");
    EXPECT_FALSE(result.ok) << value;
    EXPECT_EQ(result.error.type, "prompt_outputs_failed_validation") << value;
    return error_of(result, "2");
  };
  const std::string bad =
      "bad_linked_input | Bad linked input, must be a length-2 list of [node_id, slot_index] | value";
  EXPECT_EQ(link("[]"), bad);
  EXPECT_EQ(link(R"(["1"])"), bad);
  EXPECT_EQ(link(R"(["1", 0, 0])"), bad);
  const std::string raised = "exception_during_validation | Exception when validating node | ";
  EXPECT_EQ(link(R"(["7", 0])"), raised + "'7'");
  EXPECT_EQ(link("[1, 0]"), raised + "1");
  EXPECT_EQ(link(R"(["1", 1])"), raised + "tuple index out of range");
  EXPECT_EQ(link(R"(["1", -1])"), raised + "tuple index out of range");
  EXPECT_EQ(link(R"(["1", 18446744073709551615])"), raised + "tuple index out of range");
  EXPECT_EQ(link(R"(["1", "0"])"), raised + "a slot must be an integer, not '0'");
  EXPECT_EQ(link(R"(["1", 0.5])"), raised + "a slot must be an integer, not 0.5");
}

TEST_F(Validate, AnExceptionUpstreamIsTheUpstreamNodes) {
  const auto result = check(R"({"1": {"class_type": "TestAdd", "inputs": {"a": ["9", 0], "b": 1}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_EQ(result.error.details, "");
  EXPECT_EQ(error_of(result, "1"), "exception_during_inner_validation | Exception when validating inner node | '9'");
  const OrderedJson& extra = result.node_errors["1"]["errors"][0]["extra_info"];
  EXPECT_EQ(extra["input_name"], "value");
  EXPECT_EQ(extra["exception_type"], "KeyError");
  EXPECT_EQ(extra["linked_node"].dump(), R"(["1",0])");
}

TEST_F(Validate, TypesThatConnect) {
  const auto connects = [&](const char* source, const char* target) {
    Registry registry;
    registry.add({.id = "Source", .outputs = {{.type = source}}, .run = [] { return Value(); }});
    registry.add({.id = "Target", .inputs = {socket("x", target)}, .run = [](Value) {}, .is_output = true});
    Prompt prompt =
        parse_prompt(R"({"1": {"class_type": "Source"}, "2": {"class_type": "Target", "inputs": {"x": ["1", 0]}}})");
    return validate(prompt, registry, {}).ok;
  };
  EXPECT_TRUE(connects("IMAGE", "IMAGE"));
  EXPECT_TRUE(connects("IMAGE", "*"));
  EXPECT_TRUE(connects("*", "IMAGE"));
  EXPECT_TRUE(connects("IMAGE", "MASK,IMAGE"));
  EXPECT_TRUE(connects("IMAGE,MASK", "MASK"));
  EXPECT_FALSE(connects("INT", "FLOAT"));
  EXPECT_FALSE(connects("INT", "IMAGE,FLOAT"));
  EXPECT_FALSE(connects("IMAG", "IMAGE,FLOAT"));
}

TEST_F(Validate, AListOfNamesTakesNoText) {
  const auto result = check(R"({"1": {"class_type": "TestText", "inputs": {"value": "a"}},
      "2": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
      "3": {"class_type": "ImageScale", "inputs": {"image": ["2", 0], "upscale_method": ["1", 0], "width": 8, "height": 8, "crop": "center"}},
      "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}})");
  EXPECT_EQ(error_of(result, "3"),
            "return_type_mismatch | Return type mismatch between linked nodes | upscale_method, received_type(STRING) "
            "mismatch "
            "input_type(['nearest-exact', 'bilinear', 'area', 'bicubic', 'lanczos'])");
}

TEST_F(Validate, FilesMustBeThere) {
  const auto load = [&](const std::string& name) {
    return error_of(check(R"({"1": {"class_type": "LoadImage", "inputs": {"image": )" + name +
                          R"(}}, "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}})"),
                    "1");
  };
  EXPECT_EQ(load(R"("there.png [output]")"), "");
  EXPECT_EQ(load(R"("../etc/passwd")"),
            "custom_validation_failed | Custom validation failed for node | image - Invalid image file: ../etc/passwd");
  EXPECT_EQ(load("5"), "custom_validation_failed | Custom validation failed for node | image - Invalid image file: 5");
  const auto checkpoint = [&](const std::string& name) {
    return error_of(check(R"({"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": ")" + name +
                          R"("}}, "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}})"),
                    "1");
  };
  EXPECT_EQ(checkpoint("sd15.safetensors"), "");
  EXPECT_EQ(checkpoint("a"), "value_not_in_list | Value not in list | ckpt_name: 'a' not in ['sd15.safetensors']");
}

TEST_F(Validate, LongListsAreNotShown) {
  files_.choices = [](const FileSource&) { return std::vector<std::string>(21, "x"); };
  const auto result = check(R"({"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
      "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}})");
  EXPECT_EQ(error_of(result, "1"), "value_not_in_list | Value not in list | ckpt_name: 'a' not in (list of length 21)");
  EXPECT_TRUE(result.node_errors["1"]["errors"][0]["extra_info"]["input_config"].is_null());
}

TEST_F(Validate, FoldersThatCannotBeReadOfferNothing) {
  files_.choices = [](const FileSource&) -> std::vector<std::string> { throw std::runtime_error("disk gone"); };
  files_.exists = [](const FileSource&, const std::string&) -> bool { throw std::runtime_error("disk gone"); };
  const auto result = check(R"({"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
      "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
      "3": {"class_type": "LoadImage", "inputs": {"image": "there.png [output]"}},
      "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}})");
  EXPECT_EQ(error_of(result, "1"), "value_not_in_list | Value not in list | ckpt_name: 'a' not in []");
  EXPECT_THAT(error_of(result, "3"), testing::StartsWith("custom_validation_failed"));
}

TEST_F(Validate, GoodOutputsRunThoughOthersAreBad) {
  const auto result = check(R"({"1": {"class_type": "TestInt", "inputs": {"value": -1}},
      "2": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}},
      "3": {"class_type": "TestShow", "inputs": {"value": 1}},
      "4": {"class_type": "TestPass", "inputs": {"value": ["2", 0]}},
      "5": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}}})");
  EXPECT_TRUE(result.ok);
  EXPECT_THAT(result.outputs_to_execute, ElementsAre("3"));
  EXPECT_EQ(result.node_errors["1"]["dependent_outputs"].dump(), R"(["2","4","5"])");
  EXPECT_EQ(result.node_errors["1"]["class_type"], "TestInt");
  EXPECT_TRUE(result.node_errors.contains("4"));   // 2 has no output 0
  EXPECT_FALSE(result.node_errors.contains("2"));  // only invalid by what it is linked to
}

TEST_F(Validate, Targets) {
  const char* text = R"({"1": {"class_type": "TestShow", "inputs": {"value": 1}},
      "2": {"class_type": "TestShow", "inputs": {"value": 1}}, "3": {"class_type": "TestInt", "inputs": {"value": 1}}})";
  EXPECT_THAT(check(text, std::vector<std::string>{"2", "3", "9"}).outputs_to_execute, ElementsAre("2"));
  EXPECT_EQ(check(text, std::vector<std::string>{"3"}).error.type, "prompt_no_outputs");
}

TEST_F(Validate, UnreachableNodesNeedOnlyAClass) {
  EXPECT_TRUE(check(R"({"1": {"class_type": "TestShow", "inputs": {"value": 1}}, "2": {"class_type": "TestAdd"},
      "3": {"class_type": "TestAdd", "inputs": []}, "4": {"class_type": "TestAdd", "inputs": {"a": ["4", 0], "b": ["77", 5]}}})")
                  .ok);
  EXPECT_EQ(check(R"({"1": {"class_type": "TestShow", "inputs": [1]}})").error.details,
            "Exception when validating node: inputs must be an object, not array");
}

TEST_F(Validate, CyclesAreErrorsOfTheOutputsThatReachThem) {
  const auto result = check(R"({"1": {"class_type": "TestAdd", "inputs": {"a": ["2", 0], "b": 1}},
      "2": {"class_type": "TestAdd", "inputs": {"a": ["3", 0], "b": 1}},
      "3": {"class_type": "TestAdd", "inputs": {"a": 1, "b": ["1", 0]}},
      "4": {"class_type": "TestShow", "inputs": {"value": ["1", 0]}},
      "5": {"class_type": "TestShow", "inputs": {"value": ["3", 0]}},
      "6": {"class_type": "TestShow", "inputs": {"value": 1}}})");
  EXPECT_THAT(result.outputs_to_execute, ElementsAre("6"));
  const std::string message =
      "exception_during_validation | Exception when validating node | Dependency cycle: 1 <- 2 <- 3 <- 1";
  EXPECT_EQ(error_of(result, "4"), message);
  EXPECT_EQ(error_of(result, "5"), message);
  EXPECT_EQ(check(R"({"1": {"class_type": "TestPass", "inputs": {"value": ["1", 0]}}})").ok, false);
}

// Recursion would overflow the stack, quadratic time would take minutes.
TEST_F(Validate, LargeGraphs) {
  constexpr int kNodes = 100'000;
  const auto add = [](int id, const std::string& a, const std::string& b) {
    return "\"" + std::to_string(id) + R"(": {"class_type": "TestAdd", "inputs": {"a": )" + a + R"(, "b": )" + b +
           "}},";
  };
  const auto link = [](int id) { return "[\"" + std::to_string(id) + "\", 0]"; };
  std::string chain = "{" + add(0, "1", "1"), diamonds = chain, ring = "{" + add(0, link(kNodes - 1), "1");
  std::string bad = "{" + add(0, "1", "null"), wide = "{";
  for (int i = 1; i < kNodes; ++i) {
    chain += add(i, link(i - 1), "1");
    diamonds += add(i, link(i - 1), link(i - 1));
    ring += add(i, link(i - 1), "1");
    bad += add(i, link(i - 1), "1");
    wide += "\"" + std::to_string(i) + R"(": {"class_type": "TestShow", "inputs": {"value": null}},)";
  }
  const std::string show = R"("show": {"class_type": "TestShow", "inputs": {"value": )" + link(kNodes - 1) + "}}}";
  EXPECT_TRUE(check(chain + show).ok);
  EXPECT_TRUE(check(diamonds + show).ok);
  EXPECT_FALSE(check(ring + show).ok);
  EXPECT_THAT(error_of(check(bad + show), "0"), testing::StartsWith("invalid_input_type"));
  EXPECT_EQ(check(wide + R"("0": {"class_type": "TestShow", "inputs": {"value": 1}}})").outputs_to_execute.size(),
            size_t{kNodes});
}

}  // namespace
}  // namespace easel
