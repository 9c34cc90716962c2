// CLIP's byte-level BPE and ComfyUI's prompt syntax on top of it: weights, escapes, 77-token chunks, embedding:name.
// Matches transformers 4.57's slow CLIPTokenizer with ftfy (parity/text). Both classes are immutable; any thread.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace easel {

class ClipVocabulary {
 public:
  static constexpr int64_t kStart = 49406, kEnd = 49407;

  // bpe_simple_vocab_16e6.txt.gz (gzip or plain text). Throws Error if it is absent or not that file.
  static std::shared_ptr<const ClipVocabulary> load(const std::filesystem::path& path);
  explicit ClipVocabulary(std::string_view merges_text);

  // Token ids of a text, without start and end tokens. "<|startoftext|>" and "<|endoftext|>" give their own ids.
  std::vector<int64_t> encode(std::string_view text) const;

 private:
  void append_word(std::string_view word, std::vector<int64_t>& ids) const;

  std::unordered_map<uint64_t, std::pair<int32_t, int32_t>> merges_;  // (left id, right id) -> (rank, merged id)
  int32_t byte_ids_[256], last_byte_ids_[256];                        // a byte inside a word, and at its end ("</w>")
};

// A textual-inversion embedding: rows × width, row-major.
struct PromptEmbedding {
  int64_t rows = 0, width = 0;
  std::vector<float> values;
};

struct PromptToken {
  int64_t id = 0;  // -1: a row of `embedding`
  double weight = 1;
  int word = 0;                                      // 1, 2, … by piece of the prompt; 0: start, end, padding
  std::shared_ptr<const PromptEmbedding> embedding;  // null unless id is -1
  int64_t row = 0;
};
using PromptChunks = std::vector<std::vector<PromptToken>>;  // each of ClipTokenizerOptions::length tokens

struct ClipTokenizerOptions {
  int64_t pad = ClipVocabulary::kEnd;  // 0 for SD2's and SDXL's big encoder
  size_t length = 77;
  size_t long_word = 8;  // pieces of at least so many tokens may be split between chunks
};

// Gives the embedding of a name as written after "embedding:", or null. Called once for each mention.
using EmbeddingLookup = std::function<std::shared_ptr<const PromptEmbedding>(const std::string& name)>;

class ClipTokenizer {
 public:
  ClipTokenizer(std::shared_ptr<const ClipVocabulary> vocabulary, ClipTokenizerOptions options = {});

  // At least one chunk. A missing embedding is logged and dropped. Throws Error for a prompt over 1 MiB or parentheses
  // nested deeper than 500.
  PromptChunks tokenize(std::string_view prompt, const EmbeddingLookup& embeddings = {}) const;

 private:
  std::shared_ptr<const ClipVocabulary> vocabulary_;
  ClipTokenizerOptions options_;
};

}  // namespace easel
