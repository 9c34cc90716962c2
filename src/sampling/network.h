// A diffusion network as the samplers see it: a function. Everything else about a model stays outside this room.
#pragma once
#include "tensor/aten.h"

namespace easel {

struct NetInput {
  Tensor x;         // [B, C, H, W] float32, already scaled by ModelSampling::calculate_input
  Tensor timestep;  // [B] float32, as ModelSampling::timestep gives it
  Tensor context;   // [B, T, D], the text; undefined for networks without one
  Tensor concat;    // [B, C', H, W] further input channels, undefined where there are none
  Tensor y;         // [B, A] vector conditioning, undefined where there is none
};

// Returns the network's raw prediction, [B, C, H, W]; may throw (an interrupt passes through the samplers).
using Network = std::function<Tensor(const NetInput&)>;

}  // namespace easel
