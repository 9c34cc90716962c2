// Laying one picture or latent onto another.
#pragma once
#include "tensor/aten.h"

namespace easel {

struct Placing {
  int64_t x = 0, y = 0;        // of the source's corner, in pixels
  int64_t cell = 1;            // pixels to one entry of the tensors
  bool resize_source = false;  // to the destination's size
};

// destination, source [B, C, H, W]; mask [M, h, w] over the source (1 = source), or undefined: everywhere. What lies
// outside of the destination is cut off. Gives a new tensor.
Tensor composite(const Tensor& destination, const Tensor& source, const Placing& placing, const Tensor& mask = {});

// A mask [..., h, w] as [M, 1, height, width].
Tensor mask_planes(const Tensor& mask, int64_t height, int64_t width);

}  // namespace easel
