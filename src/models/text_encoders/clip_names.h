// Where CLIP text encoders lie in a file, and under which names: transformers' layout, or OpenCLIP's, which keeps
// query, key and value in one tensor.
#pragma once
#include "tensor/weights.h"

namespace easel {

struct ClipInFile {
  std::string encoder;  // "clip_l", "clip_h" or "clip_g"
  std::string prefix;   // what stands before "text_model." or "transformer.resblocks."
  bool open_clip = false;
};

// By their prefixes, and by their depth where the prefix does not tell: L has 12 layers, H 24, G 32.
std::vector<ClipInFile> clips_in(const Tensors& tensors);

// The weights of all of them in transformers' layout, "clip_l.transformer.text_model.*", held in float16 as ComfyUI
// does.
Weights clip_weights(const TensorFilePtr& file);

}  // namespace easel
