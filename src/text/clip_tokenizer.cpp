#include "text/clip_tokenizer.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "base/error.h"
#include "base/log.h"
#include "text/prompt_weights.h"

namespace easel {
namespace {

constexpr size_t kMaxPrompt = 1 << 20;
constexpr std::string_view kMention = "embedding:";

using Group = std::vector<PromptToken>;  // the tokens of one piece of the prompt

// Cut before every mention that a space or newline precedes; that character falls away.
std::vector<std::string_view> split_at_mentions(std::string_view text) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  for (size_t at = 1; (at = text.find(kMention, at)) != text.npos;) {
    if (text[at - 1] == ' ' || text[at - 1] == '\n') {
      pieces.push_back(text.substr(begin, at - 1 - begin));
      begin = at;
      at += kMention.size() + 1;  // the name is at least what stands behind it
    } else {
      ++at;
    }
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

// Python's str.split(): words between whitespace of any script.
std::vector<std::string_view> split_at_spaces(std::string_view text) {
  std::vector<std::string_view> words;
  int32_t begin = 0, at = 0;
  const auto length = static_cast<int32_t>(text.size());
  const auto cut = [&](int32_t end) {
    if (end > begin) words.push_back(text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
  };
  while (at < length) {
    const int32_t here = at;
    UChar32 c;
    U8_NEXT(text.data(), at, length, c);
    if (c >= 0 && (u_isUWhiteSpace(c) || (c >= 0x1C && c <= 0x1F))) {
      cut(here);
      begin = at;
    }
  }
  cut(length);
  return words;
}

Group rows_of(const std::shared_ptr<const PromptEmbedding>& embedding, double weight) {
  Group group;
  for (int64_t row = 0; row < embedding->rows; ++row) group.push_back({-1, weight, 0, embedding, row});
  return group;
}

// "embedding:NAME rest" -> its rows, and the rest, which is tokenized as text. Commas around a name that is not known
// with them are no part of it; those behind it join the rest.
std::string take_embedding(std::string_view mention, double weight, const EmbeddingLookup& embeddings,
                           std::vector<Group>& groups) {
  const std::vector<std::string_view> words = split_at_spaces(mention.substr(kMention.size()));
  if (words.empty()) {
    log::warn("a prompt says 'embedding:' without a name; ignored");
    return "";
  }
  std::string rest;
  for (size_t i = 1; i < words.size(); ++i) rest += (i > 1 ? " " : "") + std::string(words[i]);

  std::string name(words[0]);
  auto embedding = embeddings(name);
  const size_t begin = name.find_first_not_of(',');
  if (!embedding && (name.starts_with(',') || name.ends_with(','))) {
    const std::string bare = begin == name.npos ? "" : name.substr(begin, name.find_last_not_of(',') - begin + 1);
    rest = name.substr(bare.size()) + " " + rest;
    embedding = bare.empty() ? nullptr : embeddings(bare);
  }
  if (embedding)
    groups.push_back(rows_of(embedding, weight));
  else
    log::warn("warning, embedding:{} does not exist, ignoring", name);
  return rest;
}

// Fills chunks of `length`, each with start and end token; a group that does not fit moves to the next chunk unless it
// is long, then it is split.
PromptChunks pack(const std::vector<Group>& groups, const ClipTokenizerOptions& options) {
  const PromptToken start{.id = ClipVocabulary::kStart}, end{.id = ClipVocabulary::kEnd}, pad{.id = options.pad};
  PromptChunks chunks = {{start}};
  const auto close = [&] {
    chunks.back().push_back(end);
    chunks.back().resize(options.length, pad);
  };
  for (size_t g = 0; g < groups.size(); ++g) {
    const bool is_long = groups[g].size() >= options.long_word;
    for (size_t done = 0; done < groups[g].size();) {
      const size_t room = options.length - 1 - chunks.back().size();
      const size_t left = groups[g].size() - done;
      const size_t taken = left <= room ? left : is_long ? room : 0;
      for (size_t i = 0; i < taken; ++i) {
        chunks.back().push_back(groups[g][done + i]);
        chunks.back().back().word = static_cast<int>(g) + 1;
      }
      done += taken;
      if (done == groups[g].size()) break;
      close();
      chunks.push_back({start});
    }
  }
  close();
  return chunks;
}

}  // namespace

ClipTokenizer::ClipTokenizer(std::shared_ptr<const ClipVocabulary> vocabulary, ClipTokenizerOptions options)
    : vocabulary_(std::move(vocabulary)), options_(options) {}

PromptChunks ClipTokenizer::tokenize(std::string_view prompt, const EmbeddingLookup& embeddings) const {
  if (prompt.size() > kMaxPrompt)
    fail("ClipTokenizer: a prompt of {} bytes, at most {} are taken", prompt.size(), kMaxPrompt);
  std::vector<Group> groups;
  for (const WeightedText& segment : parse_prompt_weights(prompt)) {
    for (std::string_view piece : split_at_mentions(segment.text)) {
      if (piece.empty()) continue;
      std::string text(piece);
      if (embeddings && piece.starts_with(kMention)) {
        text = take_embedding(piece, segment.weight, embeddings, groups);
        if (text.empty()) continue;
      }
      Group& group = groups.emplace_back();
      for (const int64_t id : vocabulary_->encode(text)) group.push_back({.id = id, .weight = segment.weight});
    }
  }
  return pack(groups, options_);
}

}  // namespace easel
