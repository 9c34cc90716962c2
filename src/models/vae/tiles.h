// A function over an image in overlapping tiles whose edges fade into each other.
#pragma once
#include "tensor/aten.h"

namespace easel {

struct TileShape {
  int64_t height = 0, width = 0, overlap = 0;  // in pixels of the input
};

// in [B, C, H, W] -> [B, C', s H, s W] float32 with s = scale; `function` maps [1, C, h, w] to [1, C', s h, s w]. An
// image that fits one tile goes through whole. Overlaps are averaged with weights that rise linearly from each tile's
// edge (ComfyUI's tiled_scale).
Tensor in_tiles(const Tensor& in, const std::function<Tensor(const Tensor&)>& function, const TileShape& tile,
                int64_t out_channels, double scale);

}  // namespace easel
