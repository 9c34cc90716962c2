// SD1's text encoder: CLIP-L from a checkpoint or a file of its own, with its tokenizer and textual inversions.
#pragma once
#include "models/checkpoint.h"

namespace easel {

// Weights are named "clip_l.transformer.text_model.*", held in float16 as ComfyUI does.
Clip make_sd1_clip(const TensorFilePtr& file, const LoadOptions& options);

}  // namespace easel
