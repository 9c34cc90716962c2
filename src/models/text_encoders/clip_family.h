// The text encoders of the Stable Diffusion family with their tokenizers and textual inversions: CLIP-L for SD1, CLIP-H
// for SD2, L and G side by side for SDXL, G alone for its refiner.
#pragma once
#include "models/checkpoint.h"
#include "models/text_encoders/clip.h"

namespace easel {

// What is known of an encoder by its name, "clip_l", "clip_h" or "clip_g".
ClipStyle clip_style(const std::string& encoder, bool beside_another);

// weights: "clip_l.transformer.text_model.*" and so on, as clip_weights() names them; the family shows in which
// encoders there are. style_of: in place of the encoders' own, for encoders of other shapes.
using StyleOf = std::function<ClipStyle(const std::string& encoder, bool beside_another)>;
Clip make_clip(const Weights& weights, const LoadOptions& options, const StyleOf& style_of = clip_style);
// The encoders of all the files.
Clip make_clip(const std::vector<TensorFilePtr>& files, const LoadOptions& options);

}  // namespace easel
