#include "text/clip_tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/golden.h"

namespace easel {
namespace {

class ClipTokens : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(clip_vocabulary_file()))
      GTEST_SKIP() << clip_vocabulary_file() << " is absent: run `make deps`";
    vocabulary_ = ClipVocabulary::load(clip_vocabulary_file());
  }

  // Runs every case of a golden file under `key`, prints a table, expects no difference.
  void expect_all(const Json& golden, const std::string& key, int64_t pad, const GoldenEmbeddings* embeddings) {
    const ClipTokenizer tokenizer(vocabulary_, {.pad = pad});
    const GoldenEmbeddings none{{}};
    EmbeddingLookup lookup;
    if (embeddings) lookup = [&](const std::string& name) { return embeddings->find(name); };
    size_t right = 0;
    for (const Json& item : golden["cases"]) {
      const auto text = item["params"]["text"].get<std::string>();
      const Json mine = in_golden_form(tokenizer.tokenize(text, lookup), embeddings ? *embeddings : none);
      const bool same = mine == unrolled_chunks(item["outputs"][key]);
      right += same;
      std::printf("%-4s %-5s %s\n", item["case"].get<std::string>().c_str(), same ? "same" : "OTHER",
                  Json(text.substr(0, 40)).dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
      EXPECT_TRUE(same) << mine.dump() << "\nwanted\n" << unrolled_chunks(item["outputs"][key]).dump();
    }
    std::printf("%zu of %zu cases the same\n", right, golden["cases"].size());
    EXPECT_GT(golden["cases"].size(), 0u);
  }

  Json golden(const std::string& name) {
    std::ifstream file(parity_folder() / "text" / name);
    return file ? Json::parse(file) : Json();
  }

  std::shared_ptr<const ClipVocabulary> vocabulary_;
};

TEST_F(ClipTokens, MatchTheKeptCases) {
  std::ifstream file(source_folder() / "tests/text/cases.json");
  const Json cases = Json::parse(file);
  const GoldenEmbeddings embeddings(cases["embeddings"].get<std::map<std::string, std::vector<std::string>>>());
  expect_all(cases, "l", ClipVocabulary::kEnd, &embeddings);
}

TEST_F(ClipTokens, MatchParityClipL) {
  const Json cases = golden("tok_clip_l.json"), about = golden("embeddings.json");
  if (cases.is_null()) GTEST_SKIP() << "no parity data in " << parity_folder();
  std::map<std::string, std::vector<std::string>> hashes;
  for (const auto& [name, entry] : about["embeddings"].items()) hashes[name] = entry["sha8"];
  const GoldenEmbeddings embeddings(hashes);
  expect_all(cases, "l", ClipVocabulary::kEnd, &embeddings);
}

TEST_F(ClipTokens, MatchParitySd2AndSdxl) {
  const Json sd2 = golden("tok_sd2_h.json"), sdxl = golden("tok_sdxl.json");
  if (sd2.is_null()) GTEST_SKIP() << "no parity data in " << parity_folder();
  expect_all(sd2, "h", 0, nullptr);
  expect_all(sdxl, "l", ClipVocabulary::kEnd, nullptr);
  expect_all(sdxl, "g", 0, nullptr);
}

TEST_F(ClipTokens, TakeHugeAndOddPrompts) {
  const ClipTokenizer tokenizer(vocabulary_);
  EXPECT_THROW(tokenizer.tokenize(std::string((1 << 20) + 1, 'a')), Error);
  EXPECT_GT(tokenizer.tokenize(std::string(1 << 20, 'a')).size(), 100u);  // one word of a million letters
  EXPECT_GT(tokenizer.tokenize(std::string(1 << 20, '!')).size(), 100u);
  EXPECT_THROW(tokenizer.tokenize(std::string(100'000, '(') + std::string(100'000, ')')), Error);
  EXPECT_EQ(tokenizer.tokenize(std::string(100'000, ')')).front().size(), 77u);
  EXPECT_EQ(tokenizer.tokenize("\xff\xfe bad \xc3").size(), 1u);
  EXPECT_EQ(tokenizer.tokenize("embedding:", [](const std::string&) { return nullptr; }).front()[1].id,
            ClipVocabulary::kEnd);
  const auto empty = std::make_shared<PromptEmbedding>();
  EXPECT_EQ(tokenizer.tokenize("embedding:x", [&](const std::string&) { return empty; }).front()[1].id,
            ClipVocabulary::kEnd);
}

TEST(ClipVocabularyFile, IsChecked) {
  EXPECT_THROW(ClipVocabulary::load("/nonexistent/vocabulary.gz"), Error);
  EXPECT_THROW(ClipVocabulary("#version\na b\n"), Error);
  EXPECT_THROW(ClipVocabulary("not merges at all"), Error);
}

}  // namespace
}  // namespace easel
