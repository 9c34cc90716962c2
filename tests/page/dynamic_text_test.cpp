#include "page/dynamic_text.h"

#include <gtest/gtest.h>

namespace easel::page {
namespace {

std::string choose(const char* text, size_t which = 0) {
  return choose_alternatives(text, [=](size_t n) { return which % n; });
}

TEST(DynamicText, Alternatives) {
  EXPECT_EQ(choose("a {red|blue} fox"), "a red fox");
  EXPECT_EQ(choose("a {red|blue} fox", 1), "a blue fox");
  EXPECT_EQ(choose("{a {b|c}|d}", 0), "a b");
  EXPECT_EQ(choose("{a|{b|c}}", 1), "c");
  EXPECT_EQ(choose("{only}{}"), "only");
  EXPECT_EQ(choose("open {a|b", 1), "open b");
  EXPECT_EQ(choose(std::string(5000, '{').c_str()).find_first_not_of('{'), std::string::npos);
}

TEST(DynamicText, EscapesAndComments) {
  EXPECT_EQ(choose("\\{a\\|b\\} (x:1.2) \\("), "{a|b} (x:1.2) \\(");
  EXPECT_EQ(choose("a/* b */c // d\ne"), "ac \ne");
  EXPECT_EQ(choose("a /* open"), "a /* open");
  EXPECT_EQ(choose("end\\"), "end\\");
}

TEST(DynamicText, FileNames) {
  const std::tm now{.tm_sec = 5, .tm_min = 4, .tm_hour = 3, .tm_mday = 2, .tm_mon = 0, .tm_year = 126};
  const auto fill = [&](const char* text) {
    return fill_in(text, now, [](const std::string& node, const std::string& widget) -> std::optional<std::string> {
      if (node == "KSampler" && widget == "seed") return "42";
      if (node == "Text") return "a/b:c";
      return std::nullopt;
    });
  };
  EXPECT_EQ(fill("%date:yyyy-MM-dd%/%date:hhmmss%_%date:d.M.yy%"), "2026-01-02/030405_2.1.26");
  EXPECT_EQ(fill("%KSampler.seed%_%Text.text%"), "42_a_b_c");
  EXPECT_EQ(fill("%width%x%Nobody.seed% 100% %%"), "%width%x%Nobody.seed% 100% %%");
}

}  // namespace
}  // namespace easel::page
