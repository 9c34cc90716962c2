#include "models/text_encoders/clip.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/norm.h"

namespace easel {

namespace {

int64_t first_end(const std::vector<PromptToken>& chunk) {
  auto found = std::find_if(chunk.begin(), chunk.end(), [](auto& token) { return token.id == ClipVocabulary::kEnd; });
  return found == chunk.end() ? 0 : found - chunk.begin();
}

}  // namespace

ClipLayer::ClipLayer(const Weights& w, const ClipStyle& style)
    : layer_norm1(w / "layer_norm1"),
      q_proj(w / "self_attn" / "q_proj"),
      k_proj(w / "self_attn" / "k_proj"),
      v_proj(w / "self_attn" / "v_proj"),
      out_proj(w / "self_attn" / "out_proj"),
      layer_norm2(w / "layer_norm2"),
      fc1(w / "mlp" / "fc1"),
      fc2(w / "mlp" / "fc2"),
      heads(q_proj.out() / style.head_width),
      quick_gelu(style.quick_gelu) {}

Tensor ClipLayer::operator()(Tensor x) const {
  const auto h = layer_norm1(x);
  x = out_proj.add(kernels::attention(q_proj(h), k_proj(h), v_proj(h), heads, {}, true), x);
  const auto inner = quick_gelu ? kernels::quick_gelu(fc1(layer_norm2(x))) : fc1(layer_norm2(x), nn::Activation::kGelu);
  return fc2.add(inner, x);
}

ClipTextModel::ClipTextModel(const Weights& w, const ClipStyle& style)
    : style_(style),
      token_embedding_(w / "text_model" / "embeddings" / "token_embedding"),
      position_embedding_(w / "text_model" / "embeddings" / "position_embedding"),
      final_layer_norm_(w / "text_model" / "final_layer_norm") {
  const auto list = w / "text_model" / "encoder" / "layers";
  for (int64_t i = 0; i < list.count(); ++i) layers_.emplace_back(list / i, style);
  if (layers_.empty()) fail("ClipTextModel: '{}' has no layers; perhaps the file is cut short", w.origin());
  if (w.any("text_projection")) text_projection_.emplace(w / "text_projection");
}

Tensor ClipTextModel::embed(const PromptChunks& chunks, at::ScalarType dtype) const {
  const auto batch = static_cast<int64_t>(chunks.size()), length = static_cast<int64_t>(chunks.at(0).size());
  if (length > positions()) fail("ClipTextModel: {} tokens, the model has {} positions", length, positions());
  auto ids = at::zeros({batch, length}, at::kLong);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; t < length; ++t) ids[b][t] = std::max<int64_t>(chunks[b][t].id, 0);
  }
  auto x = token_embedding_(ids, dtype);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; t < length; ++t) {
      const auto& token = chunks[b][t];
      if (!token.embedding) continue;
      const float* row = token.embedding->values.data() + token.row * token.embedding->width;
      x[b][t].copy_(at::from_blob(const_cast<float*>(row), {token.embedding->width}, at::kFloat));
    }
  }
  return x + position_embedding_(at::arange(length), dtype);
}

ClipOutput ClipTextModel::operator()(const PromptChunks& chunks, std::optional<int> asked, at::ScalarType dtype) const {
  const int depth = static_cast<int>(layers_.size()), layer = asked.value_or(style_.layer);
  const bool exists = layer < 0 && -layer <= depth;
  const int wanted = exists ? depth + layer : depth - 1;
  auto x = embed(chunks, dtype);
  Tensor hidden;
  for (int i = 0; i < depth; ++i) {
    x = layers_[i](x);
    if (i == wanted) hidden = x;
  }
  const auto last = final_layer_norm_(x);
  std::vector<Tensor> ends;
  for (size_t b = 0; b < chunks.size(); ++b) ends.push_back(last[b][first_end(chunks[b])]);
  auto pooled = at::stack(ends);
  const auto unprojected = pooled.to(at::kFloat);
  if (text_projection_) pooled = (*text_projection_)(pooled);
  const bool normed = style_.normed_hidden || !exists;
  return {.hidden = (!normed               ? hidden
                     : wanted == depth - 1 ? last
                                           : final_layer_norm_(hidden))
                        .to(at::kFloat),
          .pooled = pooled.to(at::kFloat),
          .unprojected = unprojected};
}

ClipOutput encode_prompt(const ClipTextModel& model, PromptChunks chunks, std::optional<int> layer, int64_t pad,
                         at::ScalarType dtype) {
  const auto count = static_cast<int64_t>(chunks.size());
  const bool weighted = std::any_of(chunks.begin(), chunks.end(), [](auto& chunk) {
    return std::any_of(chunk.begin(), chunk.end(), [](auto& token) { return token.weight != 1.0; });
  });
  if (weighted) {
    std::vector<PromptToken> empty(chunks[0].size(), PromptToken{.id = pad});
    empty.at(0).id = ClipVocabulary::kStart;
    empty.at(1).id = ClipVocabulary::kEnd;
    chunks.push_back(empty);
  }
  auto [hidden, pooled, unprojected] = model(chunks, layer, dtype);
  std::vector<Tensor> parts;
  for (int64_t b = 0; b < count; ++b) {
    auto part = hidden[b].clone();
    for (int64_t t = 0; weighted && t < part.size(0); ++t) {
      const double weight = chunks[b][t].weight;
      if (weight != 1.0) part[t].copy_((part[t] - hidden[count][t]) * weight + hidden[count][t]);
    }
    parts.push_back(part);
  }
  return {.hidden = at::cat(parts).unsqueeze(0),
          .pooled = pooled.narrow(0, 0, 1),
          .unprojected = unprojected.narrow(0, 0, 1)};
}

}  // namespace easel
