#include "graph/input.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

TEST(Input, OptionsHaveTheKeysOfObjectInfo) {
  const Input seed =
      integer("seed", {.value = 0, .min = 0, .max = UINT64_MAX, .control_after_generate = true, .tooltip = "T"});
  EXPECT_EQ(seed.type, "INT");
  EXPECT_EQ(seed.options.dump(),
            R"({"default":0,"min":0,"max":18446744073709551615,"control_after_generate":true,"tooltip":"T"})");
  EXPECT_EQ(real("cfg", {.value = 8.0, .step = 0.1, .round = 0.01}).options.dump(),
            R"({"default":8.0,"step":0.1,"round":0.01})");
  EXPECT_EQ(text("t", {.value = "", .multiline = true, .dynamic_prompts = true, .placeholder = "p"}).options.dump(),
            R"({"default":"","multiline":true,"dynamicPrompts":true,"placeholder":"p"})");
  EXPECT_EQ(boolean("b", {.value = false}).options.dump(), R"({"default":false})");
  EXPECT_EQ(socket("s", "IMAGE").options.dump(), "{}");
  EXPECT_EQ(integer("c", {.extra = {{"display", "color"}}}).options.dump(), R"({"display":"color"})");
}

TEST(Input, Choices) {
  const Input fixed = choice("crop", {"disabled", "center"}, {.value = "center"});
  EXPECT_EQ(fixed.type, "COMBO");
  EXPECT_EQ(fixed.choices.size(), 2u);
  EXPECT_EQ(fixed.options.dump(), R"({"default":"center"})");
  const Input file = files("vae", {.folder = "vae", .extra = {"pixel_space"}});
  EXPECT_EQ(file.type, "COMBO");
  EXPECT_EQ(file.source.folder, "vae");
}

}  // namespace
}  // namespace easel
