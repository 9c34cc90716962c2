#include "page/saved_workflow.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "page/from_object_info.h"

namespace easel::page {
namespace {

namespace fs = std::filesystem;

fs::path data() { return fs::path(std::getenv("EASEL_SOURCE_DIR")) / "tests/page/data"; }

Json read(const fs::path& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

const Registry& registry() {
  static const Registry kRegistry = [] {
    std::ifstream file(data() / "object_info.json");
    return registry_from_object_info(OrderedJson::parse(file));
  }();
  return kRegistry;
}

ConvertOptions first_choice() {
  return {.pick = [](size_t) { return size_t{0}; }};
}

// {id: {class_type, inputs}}; titles aside, which the page words in the user's language.
Json convert(const Json& workflow) {
  Json prompt = Json::parse(prompt_to_json(convert_workflow(workflow, registry(), first_choice())));
  for (auto& node : prompt) node.erase("_meta");
  return prompt;
}

Json node(int id, const char* type, Json inputs, Json outputs, Json values = nullptr, int mode = 0) {
  return {{"id", id},
          {"type", type},
          {"order", id},
          {"mode", mode},
          {"inputs", std::move(inputs)},
          {"outputs", std::move(outputs)},
          {"widgets_values", std::move(values)}};
}
Json in(const char* name, const char* type, Json link) { return {{"name", name}, {"type", type}, {"link", link}}; }
Json out(const char* type, Json links) { return {{"name", type}, {"type", type}, {"links", links}}; }

// EmptyLatentImage -> `count` nodes of a kind that only passes on -> VAEDecode
Json chain(int count, const char* type, int mode = 0) {
  Json nodes = Json::array({node(1, "EmptyLatentImage", Json::array(), {out("LATENT", {1})}, {64, 64, 1})});
  Json links = Json::array({{1, 1, 0, 2, 0, "LATENT"}});
  for (int i = 2; i < count + 2; ++i) {
    nodes.push_back(node(i, type, {in("", "*", i - 1)}, {out("*", {i})}, nullptr, mode));
    links.push_back({i, i, 0, i + 1, 0, "LATENT"});
  }
  nodes.push_back(node(count + 2, "VAEDecode", {in("samples", "LATENT", count + 1)}, Json::array()));
  return {{"nodes", nodes}, {"links", links}, {"version", 0.4}};
}

TEST(SavedWorkflow, IsWhatThePageItselfSubmits) {
  size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(data())) {
    const std::string name = entry.path().filename().string(), ending = ".workflow.json";
    if (!name.ends_with(ending)) continue;
    ++seen;
    const std::string stem = name.substr(0, name.size() - ending.size());
    Json want = read(data() / (stem + ".prompt.json"));
    for (auto& wanted : want) wanted.erase("_meta");
    EXPECT_EQ(Json::diff(want, convert(read(entry.path()))), Json::array()) << stem;
  }
  EXPECT_EQ(seen, 11u);
}

TEST(SavedWorkflow, TitlesAreKept) {
  const Prompt prompt = convert_workflow(read(data() / "mixed.workflow.json"), registry(), first_choice());
  EXPECT_EQ(prompt.nodes[prompt.find("4")].others["_meta"]["title"], "What not");
  EXPECT_EQ(prompt.nodes[prompt.find("9")].others["_meta"]["title"], "VAE Decode");
}

TEST(SavedWorkflow, LongChainsOfReroutesAreQuick) {
  const auto begin = std::chrono::steady_clock::now();
  const Json prompt = convert(chain(20'000, "Reroute"));
  EXPECT_EQ(prompt["20002"]["inputs"]["samples"], Json({"1", 0}));
  EXPECT_EQ(prompt.size(), 2u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(SavedWorkflow, BypassedPassesOnMutedDoesNot) {
  EXPECT_EQ(convert(chain(3, "LatentUpscale", 4))["5"]["inputs"]["samples"], Json({"1", 0}));
  EXPECT_FALSE(convert(chain(3, "LatentUpscale", 2))["5"]["inputs"].contains("samples"));
}

TEST(SavedWorkflow, AnUnknownTypeKeepsItsLinks) {
  Json workflow = chain(1, "FromAnotherPackage");
  workflow["nodes"][1]["inputs"][0]["name"] = "given";
  const Json prompt = convert(workflow);
  EXPECT_EQ(prompt["2"]["class_type"], "FromAnotherPackage");
  EXPECT_EQ(prompt["2"]["inputs"]["given"], Json({"1", 0}));
}

TEST(SavedWorkflow, ValuesByNameAndDefaults) {
  Json workflow = chain(0, "");
  workflow["nodes"][0]["widgets_values"] = {{"height", 96}};
  EXPECT_EQ(convert(workflow)["1"]["inputs"], Json({{"width", 512}, {"height", 96}, {"batch_size", 1}}));
  workflow["nodes"][0]["widgets_values"] = Json::array({32});
  EXPECT_EQ(convert(workflow)["1"]["inputs"], Json({{"width", 32}, {"height", 512}, {"batch_size", 1}}));
}

TEST(SavedWorkflow, ListsAreNoLinks) {
  Json workflow = chain(0, "");
  workflow["nodes"][0]["widgets_values"] = Json::array({Json::array({"1", 0}), 64, 1});
  const Prompt prompt = convert_workflow(workflow, registry());
  const PromptInput* width = prompt.nodes[0].input("width");
  ASSERT_TRUE(width && width->constant());
  EXPECT_EQ(*width->constant(), Json({{"__value__", {"1", 0}}}));
}

std::string refusal(const Json& workflow, size_t max_nodes = PromptLimits().nodes) {
  try {
    convert_workflow(workflow, registry(), {.max_nodes = max_nodes});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SavedWorkflow, RefusesWhatNeverEnds) {
  Json circle = chain(2, "Reroute");
  circle["links"][0] = {1, 3, 0, 2, 0, "LATENT"};  // the first reroute takes from the last
  EXPECT_THAT(refusal(circle), testing::HasSubstr("circle"));

  Json itself = chain(0, "");
  itself["definitions"]["subgraphs"] = Json::array(
      {{{"id", "s"}, {"nodes", Json::array({node(1, "s", Json::array(), Json::array())})}, {"links", Json::array()}}});
  EXPECT_EQ(refusal(itself), "");  // nobody uses it
  itself["nodes"].push_back(node(9, "s", Json::array(), Json::array()));
  EXPECT_THAT(refusal(itself), testing::HasSubstr("contains itself"));

  // Each level holds two of the next one: 2^40 nodes.
  Json bomb = chain(0, "");
  for (int level = 0; level < 40; ++level) {
    const std::string next = "s" + std::to_string(level + 1);
    bomb["definitions"]["subgraphs"].push_back(
        {{"id", "s" + std::to_string(level)},
         {"nodes", Json::array({node(1, next.c_str(), Json::array(), Json::array()),
                                node(2, next.c_str(), Json::array(), Json::array())})}});
  }
  bomb["nodes"].push_back(node(9, "s0", Json::array(), Json::array()));
  EXPECT_THAT(refusal(bomb, 1000), testing::HasSubstr("all that is allowed"));
  EXPECT_THAT(refusal(chain(100, "Reroute"), 50), testing::HasSubstr("50 nodes"));

  // Hundreds of bypassed nodes with hundreds of sockets each stand between one node and each of its inputs.
  Json wide = chain(300, "LatentUpscale", 4);
  for (auto& node : wide["nodes"])
    if (node["type"] == "LatentUpscale")
      for (int i = 0; i < 300; ++i) node["inputs"].push_back(in("more", "MODEL", nullptr));
  for (int i = 0; i < 400; ++i) wide["nodes"].back()["inputs"].push_back(in("again", "LATENT", 301));
  EXPECT_THAT(refusal(wide), testing::HasSubstr("very long"));
}

TEST(SavedWorkflow, OddShapesAreRefusedOrPassedOver) {
  EXPECT_THAT(refusal(Json::array()), testing::HasSubstr("list of nodes"));
  EXPECT_THAT(refusal({{"nodes", {1, 2}}}), testing::HasSubstr("an object was wanted"));
  Json twice = chain(0, "");
  twice["nodes"][1]["id"] = 1;
  EXPECT_THAT(refusal(twice), testing::HasSubstr("'1'"));

  // Any piece replaced by something else: an Error or a prompt, never anything worse.
  for (const char* file : {"group_node.workflow.json", "image_to_real.workflow.json", "mixed.workflow.json"}) {
    const Json whole = read(data() / file).flatten();
    size_t i = 0;
    for (const auto& [pointer, value] : whole.items()) {
      for (const Json& other : {Json(), Json(-1), Json("x"), Json::array({1}), Json(1e300)}) {
        if (++i % 7) continue;
        Json damaged = whole.unflatten();
        damaged[Json::json_pointer(pointer)] = other;
        refusal(damaged);
      }
    }
  }
}

TEST(IsSavedWorkflow, TellsItFromAPrompt) {
  EXPECT_TRUE(is_saved_workflow(chain(1, "Reroute")));
  EXPECT_FALSE(is_saved_workflow({{"1", {{"class_type", "X"}, {"inputs", Json::object()}}}}));
  EXPECT_FALSE(is_saved_workflow({{"nodes", {{"class_type", "X"}, {"inputs", Json::object()}}}}));  // a node called so
}

}  // namespace
}  // namespace easel::page
