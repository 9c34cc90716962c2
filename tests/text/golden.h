// The recorded tokens of parity/text, in its notation: runs as {"v", "n"}, rows of embeddings as "e:" and a short hash.
#pragma once
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/json.h"
#include "text/clip_tokenizer.h"

namespace easel {

inline std::filesystem::path source_folder() {
  const char* folder = std::getenv("EASEL_SOURCE_DIR");
  return folder ? folder : ".";
}

inline std::filesystem::path parity_folder() {
  const char* folder = std::getenv("EASEL_PARITY");
  return folder ? std::filesystem::path(folder) : source_folder() / "../shared/parity";
}

inline std::filesystem::path clip_vocabulary_file() {
  return source_folder() / ".deps/clip/bpe_simple_vocab_16e6.txt.gz";
}

inline Json unrolled(const Json& runs) {
  Json out = Json::array();
  for (const Json& item : runs) {
    for (int i = item.is_object() ? item["n"].get<int>() : 1; i > 0; --i)
      out.push_back(item.is_object() ? item["v"] : item);
  }
  return out;
}

// The embeddings of a golden file: name -> hashes of its rows.
class GoldenEmbeddings {
 public:
  explicit GoldenEmbeddings(std::map<std::string, std::vector<std::string>> hashes) : hashes_(std::move(hashes)) {
    for (const auto& [name, rows] : hashes_) {
      const auto count = static_cast<int64_t>(rows.size());
      embeddings_[name] = std::make_shared<PromptEmbedding>(PromptEmbedding{count, 1, std::vector<float>(rows.size())});
    }
  }

  std::shared_ptr<const PromptEmbedding> find(std::string name) const {
    constexpr std::string_view kExtension = ".safetensors";
    if (name.ends_with(kExtension)) name.resize(name.size() - kExtension.size());
    const auto known = embeddings_.find(name);
    return known == embeddings_.end() ? nullptr : known->second;
  }

  std::string row(const PromptToken& token) const {
    for (const auto& [name, embedding] : embeddings_) {
      if (embedding == token.embedding) return "e:" + hashes_.at(name)[static_cast<size_t>(token.row)];
    }
    return "an unknown embedding";
  }

 private:
  std::map<std::string, std::vector<std::string>> hashes_;
  std::map<std::string, std::shared_ptr<const PromptEmbedding>> embeddings_;
};

// Chunks as the golden files write them, unrolled; NaN and infinities as their strings.
inline Json in_golden_form(const PromptChunks& chunks, const GoldenEmbeddings& embeddings) {
  Json out = Json::array();
  for (const auto& chunk : chunks) {
    Json ids = Json::array(), weights = Json::array(), words = Json::array();
    for (const PromptToken& token : chunk) {
      ids.push_back(token.id < 0 ? Json(embeddings.row(token)) : Json(token.id));
      weights.push_back(std::isnan(token.weight)   ? Json("NaN")
                        : std::isinf(token.weight) ? Json(token.weight > 0 ? "Infinity" : "-Infinity")
                                                   : Json(token.weight));
      words.push_back(token.word);
    }
    out.push_back({{"ids", ids}, {"weights", weights}, {"words", words}});
  }
  return out;
}

inline Json unrolled_chunks(const Json& chunks) {
  Json out = Json::array();
  for (const Json& chunk : chunks) {
    out.push_back({{"ids", unrolled(chunk["ids"])},
                   {"weights", unrolled(chunk["weights"])},
                   {"words", unrolled(chunk["words"])}});
  }
  return out;
}

}  // namespace easel
