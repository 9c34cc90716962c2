// From numbers to vectors: tables for tokens and positions, sinusoids for timesteps.
#pragma once
#include "tensor/weights.h"

namespace easel::nn {

// Rows of "weight" [N, D].
struct Embedding {
  explicit Embedding(const Weights& w) : weight(w["weight"]) {}

  // ids [...] int64 -> [..., D] in `dtype`. Fails for an id outside the table.
  Tensor operator()(const Tensor& ids, at::ScalarType dtype) const;

  int64_t rows() const { return weight.size(0); }
  int64_t width() const { return weight.size(1); }

  Weight weight;
};

// Sinusoidal embedding, cosines first (Ho et al. 2020; frequencies 10000^(-i/(D/2))): t [B] float32 -> [B, D] float32.
Tensor timestep_embedding(const Tensor& t, int64_t width, double max_period = 10000);

}  // namespace easel::nn
