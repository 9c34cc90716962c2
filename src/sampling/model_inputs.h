// What a model is given beside the noisy latent, made of a conditioning once a run.
#pragma once
#include "sampling/conditioning.h"

namespace easel {

// A run, as far as a model may want to know it.
struct RunFacts {
  Tensor latent, noise;  // [B, C, H, W], the latent in the model's scale
  Tensor noise_mask;     // [B, C, H, W], 1 = to be sampled; undefined: everything
  uint64_t seed = 0;
  bool negative = false;  // which side of the guidance the conditioning stands on
};

struct ModelInputs {
  Tensor context;  // [1 or B, T, D]
  Tensor concat;   // [1 or B, C', H, W] over the whole latent
  Tensor y;        // [1 or B, A]
};

// Empty: the conditioning's cross_attn is the context and there is nothing else.
using MakeInputs = std::function<ModelInputs(const Conditioning&, const RunFacts&)>;

}  // namespace easel
