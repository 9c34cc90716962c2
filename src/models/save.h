// Models back to tensors under the names a checkpoint has, ready to be written.
#pragma once
#include "models/model.h"

namespace easel {

// Patches applied, in the dtype the weights rest in. Unchanged weights are views of their files.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// "model.diffusion_model.*" (a diffusion model's file has no prefix in front of its own names: bare), with the marks
// that tell how the model predicts.
NamedTensors model_tensors(const Model& model, bool bare = false);
// In a checkpoint: "cond_stage_model.*" or "conditioner.embedders.*", CLIP-H and -G in OpenCLIP's layout. On its own:
// transformers' names, one list to each encoder by its name ("clip_l").
NamedTensors clip_checkpoint_tensors(const Clip& clip);
std::map<std::string, NamedTensors> clip_tensors(const Clip& clip);
// prefix: "first_stage_model." in a checkpoint, "" on its own.
NamedTensors vae_tensors(const Vae& vae, const std::string& prefix);

}  // namespace easel
