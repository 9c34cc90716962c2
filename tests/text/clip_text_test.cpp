#include "text/clip_text.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

TEST(ClipText, MendsAsFtfyDoes) {
  EXPECT_EQ(clean_clip_text("  A\tb\r\n c "), "a b c");
  EXPECT_EQ(clean_clip_text("“Q” ‘s’ ﬁ ＡＢＣ　ﾊ"), "\"q\" 's' fi abc ハ");
  EXPECT_EQ(clean_clip_text("a\x01\x7f\uFEFF\u200B!"), "a\u200B!");
  EXPECT_EQ(clean_clip_text("cafe\u0301 \u0085 \u0093x\u0094"), "café … \"x\"");
  EXPECT_EQ(clean_clip_text("rock &amp; roll &#233;&#xE9; &nonsense; &amp;lt;"), "rock & roll éé &nonsense; <");
  EXPECT_EQ(clean_clip_text("<b> &amp;"), "<b> &amp;");
  EXPECT_EQ(clean_clip_text("&#0;&#xD800;&#1114112;&#99999999999999999999;&;&#;"),
            "&#0;&#xd800;&#1114112;&#99999999999999999999;&;&#;");
  EXPECT_EQ(clean_clip_text("ΣΑΣ İ"), "σας i\u0307");
  EXPECT_EQ(clean_clip_text(""), "");
}

TEST(ClipText, SplitsWords) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(split_clip_words("it's 12 ok!? 狐狐 <|endoftext|>x"),
            (Words{"it", "'s", "1", "2", "ok", "!?", "狐狐", "<|endoftext|>", "x"}));
  EXPECT_EQ(split_clip_words("   "), Words{});
}

}  // namespace
}  // namespace easel
