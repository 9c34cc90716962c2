// What a model file holds, told by the names of its tensors.
#pragma once
#include "formats/tensor_file.h"

namespace easel {

struct FileKind {
  std::string name;    // "Stable Diffusion 1.x checkpoint (diffusion model, CLIP, VAE), F16"
  std::string loader;  // the node that loads it, empty if there is none
  bool has_diffusion_model = false, has_text_encoder = false, has_vae = false;
  std::string diffusion_prefix, vae_prefix;
  bool diffusers = false;  // the diffusion model is laid out as diffusers does
};

FileKind file_kind(const TensorFile& file);

}  // namespace easel
