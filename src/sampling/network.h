// A diffusion network as the samplers see it: a function. Everything else about a model stays outside this room.
#pragma once
#include "tensor/aten.h"

namespace easel {

// What control networks add to a U-Net, block by block in the order of the blocks; undefined tensors add nothing.
struct Residuals {
  std::vector<Tensor> input;   // to what each input block gives, before it becomes a skip connection
  std::vector<Tensor> middle;  // to what the middle block gives
  std::vector<Tensor> skips;   // to the skip connection of each input block, where an output block reads it
};

struct NetInput {
  Tensor x;                                    // [B, C, H, W] float32, already scaled by ModelSampling::calculate_input
  Tensor timestep;                             // [B] float32, as ModelSampling::timestep gives it
  Tensor context;                              // [B, T, D], the text; undefined for networks without one
  Tensor concat;                               // [B, C', H, W] further input channels, undefined where there are none
  Tensor y;                                    // [B, A] vector conditioning, undefined where there is none
  std::shared_ptr<const Residuals> residuals;  // null: none
  // Called in every transformer block between its two attentions: x [B, L, C] and the number of the block, counted
  // through the network; gives x. Empty: none.
  std::function<Tensor(const Tensor& x, int64_t block)> between_attentions;
};

// Returns the network's raw prediction, [B, C, H, W]; may throw (an interrupt passes through the samplers).
using Network = std::function<Tensor(const NetInput&)>;

}  // namespace easel
