#include "models/text_encoders/sd1.h"

#include "base/error.h"
#include "base/log.h"
#include "models/text_encoders/clip.h"

namespace easel {

namespace {

// ComfyUI puts everything in a checkpoint's encoder below text_model, so that a projection saved there is never used.
std::optional<std::string> clip_l_name(const std::string& file_name) {
  constexpr std::string_view checkpoint = "cond_stage_model.transformer.", own = "clip_l.transformer.";
  if (file_name.find("position_ids") != std::string::npos) return std::nullopt;
  std::string rest = file_name;
  bool in_checkpoint = false;
  if (rest.rfind(checkpoint, 0) == 0) {
    rest = rest.substr(checkpoint.size());
    in_checkpoint = true;
  } else if (rest.rfind(own, 0) == 0) {
    rest = rest.substr(own.size());
  }
  if (rest.rfind("text_model.", 0) == 0) return std::string(own) + rest;
  if (in_checkpoint) return std::string(own) + "text_model." + rest;
  if (rest == "text_projection.weight") return std::string(own) + rest;
  return std::nullopt;
}

// The rows of a textual inversion: under CLIP-L's name, A1111's, or the only one of the right width.
std::shared_ptr<const PromptEmbedding> read_embedding(const std::string& path, int64_t width) {
  const auto file = open_tensor_file(path);
  const TensorSpan* best = nullptr;
  for (const char* name : {"clip_l", "emb_params", "string_to_param.*"}) {
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

}  // namespace

Clip make_sd1_clip(const TensorFilePtr& file, const LoadOptions& options) {
  const Weights weights(file, clip_l_name, at::kHalf);
  auto make = [vocabulary_path = options.clip_vocabulary, find = options.find_embedding](
                  const Weights& w, const Precision& precision) -> EncodeText {
    auto tokenizer = std::make_shared<const ClipTokenizer>(ClipVocabulary::load(vocabulary_path));
    auto model = std::make_shared<const ClipTextModel>(w / "clip_l" / "transformer");
    auto lookup = [find, width = model->width()](const std::string& name) -> std::shared_ptr<const PromptEmbedding> {
      const auto path = find ? find(name) : std::nullopt;
      return path ? read_embedding(*path, width) : nullptr;
    };
    return [=, dtype = precision.text](const std::string& text, std::optional<int> layer) -> TextEncoding {
      auto [hidden, pooled] = encode_prompt(*model, tokenizer->tokenize(text, lookup), layer.value_or(-1), dtype);
      return {.cross_attn = hidden, .pooled = pooled};
    };
  };
  ClipTextModel(weights / "clip_l" / "transformer");  // missing weights show here rather than at the first prompt
  return Clip(std::move(make), weights, options.precision);
}

}  // namespace easel
