#include "models/text_encoders/clip_family.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "models/text_encoders/clip_names.h"

namespace easel {

namespace {

// The rows of a textual inversion: under the encoder's name, A1111's, or the only one of the right width.
std::shared_ptr<const PromptEmbedding> read_embedding(const std::string& path, const std::string& encoder,
                                                      int64_t width) {
  const auto file = open_tensor_file(path);
  const TensorSpan* best = nullptr;
  for (const auto& name : {encoder, std::string("emb_params"), std::string("string_to_param.*")}) {
    if (!best) best = file->find(name);
  }
  for (const auto& [name, span] : file->tensors()) {
    if (!best && !span.shape.empty() && span.shape.back() == width) best = &span;
  }
  if (!best || best->shape.empty() || best->shape.size() > 2 || best->shape.back() != width) {
    log::warn("the embedding '{}' is not {} wide, as this model's text encoder is, and is left out", path, width);
    return nullptr;
  }
  const auto rows = view_of(file, *best).to(at::kFloat).reshape({-1, width}).contiguous();
  const float* data = rows.const_data_ptr<float>();
  return std::make_shared<const PromptEmbedding>(
      PromptEmbedding{.rows = rows.size(0), .width = width, .values = {data, data + rows.numel()}});
}

// One encoder with its tokenizer.
struct Encoder {
  std::string name;  // "clip_l"
  int64_t pad;
  std::shared_ptr<const ClipTokenizer> tokenizer;
  std::shared_ptr<const ClipTextModel> model;
  EmbeddingLookup lookup;

  std::string short_name() const { return name.substr(name.find('_') + 1); }
  PromptChunks tokenize(const Texts& texts) const {
    auto own = texts.each.find(short_name());
    return tokenizer->tokenize(own == texts.each.end() ? texts.plain : own->second, lookup);
  }
};

// Encoders side by side read texts of as many chunks; the shorter is filled up with empty ones.
void level(std::vector<PromptChunks>& chunks, const std::vector<Encoder>& encoders) {
  size_t most = 0;
  for (const auto& one : chunks) most = std::max(most, one.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    const auto empty = encoders[i].tokenizer->tokenize("");
    while (chunks[i].size() < most) chunks[i].push_back(empty[0]);
  }
}

// The texts side by side along their vectors; pooled from the last encoder, the larger one.
TextEncoding encode(const std::vector<Encoder>& encoders, const Texts& texts, std::optional<int> layer,
                    at::ScalarType dtype) {
  std::vector<PromptChunks> chunks;
  for (const auto& encoder : encoders) chunks.push_back(encoder.tokenize(texts));
  level(chunks, encoders);
  std::vector<Tensor> hidden;
  TextEncoding out;
  for (size_t i = 0; i < encoders.size(); ++i) {
    auto one = encode_prompt(*encoders[i].model, std::move(chunks[i]), layer, encoders[i].pad, dtype);
    hidden.push_back(one.hidden);
    out.pooled = one.pooled;
    out.unprojected = one.unprojected;
  }
  out.cross_attn = hidden.size() == 1 ? hidden[0] : at::cat(hidden, 2);
  return out;
}

}  // namespace

// SD1 takes the last layer of CLIP-L, the others the last but one; only the encoders of SDXL leave the norm out.
ClipStyle clip_style(const std::string& encoder, bool beside_another) {
  if (encoder == "clip_h") return {.quick_gelu = false, .layer = -2};
  if (encoder == "clip_g") return {.quick_gelu = false, .layer = -2, .normed_hidden = false};
  return beside_another ? ClipStyle{.layer = -2, .normed_hidden = false} : ClipStyle{};
}

Clip make_clip(const std::vector<TensorFilePtr>& files, const LoadOptions& options) {
  Weights weights;
  for (const auto& file : files) weights = weights.joined(clip_weights(file));
  return make_clip(weights, options);
}

Clip make_clip(const Weights& weights, const LoadOptions& options, const StyleOf& style_of) {
  std::vector<std::string> names;
  for (const char* name : {"clip_l", "clip_h", "clip_g"}) {
    if (weights.any(name)) names.push_back(name);
  }
  if (names.empty()) fail("make_clip: '{}' holds no CLIP text encoder", weights.origin());

  auto models_of = [names, style_of](const Weights& w) {
    std::vector<std::shared_ptr<const ClipTextModel>> models;
    for (const auto& name : names) {
      models.push_back(
          std::make_shared<const ClipTextModel>(w / name / "transformer", style_of(name, names.size() > 1)));
    }
    return models;
  };
  auto make = [=, vocabulary_path = options.clip_vocabulary, find = options.find_embedding](
                  const Weights& w, const Precision& precision) -> EncodeText {
    const auto models = models_of(w);
    const auto vocabulary = ClipVocabulary::load(vocabulary_path);
    std::vector<Encoder> encoders;
    for (size_t i = 0; i < names.size(); ++i) {
      const int64_t pad = names[i] == "clip_l" ? ClipVocabulary::kEnd : 0;
      auto lookup = [find, name = names[i], width = models[i]->width()](
                        const std::string& embedding) -> std::shared_ptr<const PromptEmbedding> {
        const auto path = find ? find(embedding) : std::nullopt;
        return path ? read_embedding(*path, name, width) : nullptr;
      };
      encoders.push_back({names[i], pad,
                          std::make_shared<const ClipTokenizer>(vocabulary, ClipTokenizerOptions{.pad = pad}),
                          models[i], lookup});
    }
    return [=, dtype = precision.text](const Texts& texts, std::optional<int> layer) {
      return encode(encoders, texts, layer, dtype);
    };
  };
  models_of(weights);  // missing weights show here rather than at the first prompt
  return Clip(std::move(make), weights, options.precision);
}

}  // namespace easel
