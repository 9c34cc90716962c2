// The shape of a latent-diffusion U-Net, read off its weights' names and sizes.
#pragma once
#include "tensor/weights.h"

namespace easel {

struct UnetShape {
  int64_t in_channels = 0, out_channels = 0, model_channels = 0, context_width = 0;
  int64_t vector_width = 0;                  // of the label embedding's input, 0 where there is none
  std::vector<int64_t> num_res_blocks;       // by level, the finest first
  std::vector<int64_t> channel_mult;         // by level: widths are model_channels times this
  std::vector<int64_t> depth_in, depth_out;  // transformer blocks beside each residual block, in the order they run
  int64_t depth_middle = 0;                  // -1: a residual block alone; -2: no middle at all
  bool linear_projections = false;  // SD2 and later project around attention by matrices, SD1 by 1×1 convolutions
  bool temporal = false;            // layers over time, of video models
};

// w: the U-Net's weights without prefix; fails where there is no U-Net.
UnetShape unet_shape(const Weights& w);

}  // namespace easel
