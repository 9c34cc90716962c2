#include "graph/node.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace easel {
namespace {

std::string why_refused(Node node) {
  Registry registry;
  try {
    registry.add(std::move(node));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Registry, FillsInWhatTheSignatureSays) {
  Registry registry;
  registry.add(
      {.id = "N",
       .inputs = {integer("a"), choice("b", {"x"}), socket("c", "IMAGE,MASK")},
       .outputs = {{.name = "first"}, {}},
       .run = [](int64_t, std::string, std::optional<Value>) { return std::tuple(1.0, std::vector<std::string>()); }});
  const Node& node = *registry.find("N");
  EXPECT_FALSE(node.inputs[0].optional);
  EXPECT_TRUE(node.inputs[2].optional);
  EXPECT_EQ(node.outputs[0].type, "FLOAT");
  EXPECT_EQ(node.outputs[0].name, "first");
  EXPECT_EQ(node.outputs[1].name, "STRING");
  EXPECT_TRUE(node.outputs[1].is_list);
  EXPECT_EQ(registry.find("M"), nullptr);
}

TEST(Registry, RefusesDeclarationsThatDisagreeWithTheFunction) {
  EXPECT_EQ(why_refused({.id = "N", .inputs = {integer("width")}, .run = [](double) {}}),
            "N: input 'width' is INT, but run takes FLOAT");
  EXPECT_EQ(why_refused({.id = "N", .inputs = {socket("x", "IMAGE,MASK")}, .run = [](std::string) {}}),
            "N: input 'x' is IMAGE,MASK, but run takes STRING");
  EXPECT_EQ(why_refused({.id = "N", .inputs = {}, .run = [](double) {}}), "N: 0 inputs are declared, but run takes 1");
  EXPECT_EQ(why_refused({.id = "N", .outputs = {{}, {}}, .run = [] { return 1.0; }}),
            "N: 2 outputs are declared, but run returns 1");
  EXPECT_EQ(why_refused({.id = "N", .outputs = {{.type = "INT"}}, .run = [] { return 1.0; }}),
            "N: output 0 is INT, but run returns FLOAT");
  EXPECT_EQ(
      why_refused({.id = "N", .inputs = {integer("a"), integer("b")}, .run = [](std::vector<int64_t>, int64_t) {}}),
      "N: input 'b': either all inputs are taken as lists or none is");
  EXPECT_EQ(why_refused({.id = "N", .inputs = {{.name = "a", .type = "INT", .optional = true}}, .run = [](int64_t) {}}),
            "N: input 'a' is optional, but run does not take a std::optional");
  EXPECT_EQ(why_refused({.id = "N", .inputs = {integer("a"), integer("a")}, .run = [](int64_t, int64_t) {}}),
            "N: input 'a' is declared twice");
}

TEST(Registry, RefusesTheSameNameTwice) {
  Registry registry;
  registry.add({.id = "N"});
  EXPECT_THROW(registry.add({.id = "N"}), Error);
  EXPECT_THROW(registry.add({}), Error);
}

}  // namespace
}  // namespace easel
