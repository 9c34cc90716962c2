// CLIP's text transformer (Radford et al. 2021) and how diffusion models use it: prompt weights, chunks of 77 tokens,
// clip skip. Sizes are read off the weights.
#pragma once
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "text/clip_tokenizer.h"

namespace easel {

// What the weights of a text encoder do not tell.
struct ClipStyle {
  bool quick_gelu = true;  // OpenAI's CLIP; OpenCLIP's have the exact gelu
  int64_t head_width = 64;
  int layer = -1;             // whose output is the text, if nobody says otherwise
  bool normed_hidden = true;  // the final norm over the output of an earlier layer, too
};

struct ClipLayer {
  ClipLayer(const Weights& w, const ClipStyle& style);
  Tensor operator()(Tensor x) const;  // [B, T, D], each position sees those before it

  nn::LayerNorm layer_norm1;
  nn::Linear q_proj, k_proj, v_proj, out_proj;
  nn::LayerNorm layer_norm2;
  nn::Linear fc1, fc2;
  int64_t heads;
  bool quick_gelu;
};

struct ClipOutput {
  Tensor hidden;       // [B, T, D] of the layer asked for
  Tensor pooled;       // [B, D'] at the first end token of the last layer, projected where the model has a projection
  Tensor unprojected;  // the same before that
};

class ClipTextModel {
 public:
  // w: where "text_model.*" and perhaps "text_projection.weight" are.
  explicit ClipTextModel(const Weights& w, const ClipStyle& style = {});

  // chunks: equally long rows of tokens. layer: -1 the last, -2 the one before, …, none the style's own; beyond the
  // first: the last, normed.
  ClipOutput operator()(const PromptChunks& chunks, std::optional<int> layer, at::ScalarType dtype) const;

  int64_t width() const { return token_embedding_.width(); }
  int64_t positions() const { return position_embedding_.rows(); }

 private:
  ClipStyle style_;
  Tensor embed(const PromptChunks& chunks, at::ScalarType dtype) const;

  nn::Embedding token_embedding_, position_embedding_;
  std::vector<ClipLayer> layers_;
  nn::LayerNorm final_layer_norm_;
  std::optional<nn::Linear> text_projection_;
};

// A prompt's encoding as ComfyUI makes it: chunks side by side; a token of weight w moves from the empty prompt's
// vector by w times the way; pooled from the first chunk. pad: the token that fills the empty prompt.
ClipOutput encode_prompt(const ClipTextModel& model, PromptChunks chunks, std::optional<int> layer, int64_t pad,
                         at::ScalarType dtype);

}  // namespace easel
