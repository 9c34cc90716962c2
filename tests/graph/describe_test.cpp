#include "graph/describe.h"

#include "base/error.h"
#include "support.h"

namespace easel {
namespace {

// Descriptive texts are easel's own.
Json without_prose(const Json& value) {
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& item : value) out.push_back(without_prose(item));
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object();
  for (const auto& [key, item] : value.items())
    if (key != "tooltip" && key != "description" && key != "output_tooltips" && key != "placeholder")
      out[key] = without_prose(item);
  return out;
}

TEST(Describe, ObjectInfoEqualsTheRecording) {
  const auto recorded = test::read_parity("api/object_info.json");
  if (!recorded) GTEST_SKIP() << "parity/api is not on this machine (EASEL_PARITY)";
  const Json expected = Json::parse(*recorded);
  const Registry registry = test::test_registry();
  int compared = 0;
  for (const Node& node : registry.all()) {
    if (!expected.contains(node.id)) continue;
    EXPECT_EQ(without_prose(Json::parse(object_info(node, nullptr).dump())), expected[node.id]) << node.id;
    ++compared;
  }
  EXPECT_GE(compared, 12);
}

TEST(Describe, BothDialectsOfCombos) {
  Registry registry;
  const auto run = [](std::string) { return std::string(); };
  registry.add({.id = "V1", .inputs = {choice("c", {"a"}, {.value = "a"})}, .run = run});
  registry.add({.id = "V3", .inputs = {choice("c", {"a"})}, .run = run, .v3 = true});
  registry.add({.id = "Files", .inputs = {files("f", {.folder = "vae", .extra = {"last"}})}, .run = run});
  registry.add({.id = "Remote", .inputs = {socket("c", "COMBO", {.extra = {{"remote", 1}}})}, .run = run});
  const auto input = [&](const char* id, const char* name) {
    const Choices choices = [](const FileSource& source) {
      return std::vector<std::string>{source.folder + ".safetensors"};
    };
    return object_info(*registry.find(id), choices)["input"]["required"][name].dump();
  };
  EXPECT_EQ(input("V1", "c"), R"([["a"],{"default":"a"}])");
  EXPECT_EQ(input("V3", "c"), R"(["COMBO",{"multiselect":false,"options":["a"]}])");
  EXPECT_EQ(input("Files", "f"), R"([["vae.safetensors","last"]])");
  EXPECT_EQ(input("Remote", "c"), R"(["COMBO",{"remote":1}])");
}

TEST(Describe, V3HasEveryKeyAndNullsForWhatIsNotSaid) {
  Registry registry;
  registry.add({.id = "N", .run = [] { return 1.0; }, .v3 = true, .hidden = {{"prompt", "PROMPT"}}});
  const OrderedJson info = object_info(*registry.find("N"), nullptr);
  EXPECT_TRUE(info["display_name"].is_null());
  EXPECT_EQ(info["input"]["hidden"].dump(), R"({"prompt":["PROMPT"]})");
  EXPECT_EQ(info["input"]["required"].dump(), "{}");
  EXPECT_EQ(info["output_tooltips"].dump(), "[null]");
  EXPECT_EQ(info["deprecated"], false);
  EXPECT_EQ(info["experimental"], false);
  EXPECT_EQ(info["api_node"], false);
}

TEST(Describe, NodesJsonLosesNothing) {
  Registry registry = test::test_registry();
  registry.add({.id = "All",
                .title = "Everything",
                .category = "c",
                .about = "About it.",
                .inputs = {files("f", {.folder = "input", .kind = "image", .extra = {"x"}, .upload = true}),
                           {.name = "l", .type = "*", .lazy = true, .raw_link = true}},
                .outputs = {{.name = "n", .tooltip = "t"}},
                .run = [](std::string, std::optional<Value>) { return std::vector<double>(); },
                .v3 = true,
                .deprecated = true,
                .experimental = true,
                .hidden = {{"id", "UNIQUE_ID"}},
                .not_idempotent = true});
  const std::string text = describe(registry);
  const Registry back = read_nodes(text);
  EXPECT_EQ(describe(back), text);
  ASSERT_EQ(back.all().size(), registry.all().size());
  for (const Node& node : registry.all())
    EXPECT_EQ(object_info(*back.find(node.id), nullptr), object_info(node, nullptr)) << node.id;
  EXPECT_TRUE(back.find("All")->not_idempotent);
}

TEST(Describe, ReadNodesRefusesWhatItDidNotWrite) {
  for (const char* text : {"", "[", "{}x", "[{}]", "[1]", R"([{"id": 1}])"})
    EXPECT_THROW(read_nodes(text), Error) << text;
}

}  // namespace
}  // namespace easel
