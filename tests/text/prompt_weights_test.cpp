#include "text/prompt_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace easel {
namespace {

std::string shown(std::string_view prompt) {
  std::string out;
  for (const WeightedText& part : parse_prompt_weights(prompt))
    out += fmt::format("[{}|{:.4g}]", part.text, part.weight);
  return out;
}

TEST(PromptWeights, FollowComfyUi) {
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(shown("a (b) c"), "[a |1][b|1.1][ c|1]");
  EXPECT_EQ(shown("((a))"), "[a|1.21]");
  EXPECT_EQ(shown("(a:1.5) b"), "[a|1.5][ b|1]");
  EXPECT_EQ(shown("(a (b:0.5) c:1.4)"), "[a |1.4][b|0.5][ c|1.4]");
  EXPECT_EQ(shown("a (b"), "[a |1][(b|1]");
  EXPECT_EQ(shown("a) b (c)"), "[a) b (c)|1]");
  EXPECT_EQ(shown("\\(a\\) (b\\):2)"), "[(a) |1][b)|2]");
  EXPECT_EQ(shown("(:1.2)"), "[:1.2|1.1]");
  EXPECT_EQ(shown("()"), "");
  EXPECT_EQ(shown("(a:b:2)"), "[a:b|2]");
  EXPECT_THROW(parse_prompt_weights(std::string(501, '(') + std::string(501, ')')), Error);
}

TEST(PythonFloat, ReadsWhatPythonReads) {
  const std::pair<const char*, double> right[] = {{"1", 1},
                                                  {" 1.5\n", 1.5},
                                                  {"+.5", 0.5},
                                                  {"5.", 5},
                                                  {"-1e-1", -0.1},
                                                  {"1_0", 10},
                                                  {"1_0.0_1", 10.01},
                                                  {"1E+2", 100},
                                                  {"inf", INFINITY},
                                                  {"-Infinity", -INFINITY},
                                                  {"1e400", INFINITY},
                                                  {"1e-400", 0},
                                                  {"１.５", 1.5},
                                                  {"\u00a02\u3000", 2},
                                                  {"٣", 3}};
  for (const auto& [text, value] : right) EXPECT_EQ(parse_python_float(text), value) << text;
  EXPECT_TRUE(std::isnan(*parse_python_float(" NaN ")));
  for (const char* wrong : {"", " ", "a", "1a", "_1", "1_", "1__0", "1._5", ".", "e5", "1e", "1e+", "0x10", "1 2",
                            "--1", "1,5", "infin", "\xff"}) {
    EXPECT_FALSE(parse_python_float(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace easel
