// Resizing of images and latents, as all nodes that have an `upscale_method` do it.
#pragma once
#include <string>

#include "tensor/aten.h"

namespace easel {

// x [B, C, H, W] or [B, C, T, H, W] float32 -> the same with height and width replaced. `method`: nearest-exact,
// bilinear, area, bicubic, lanczos (through 8-bit pixels, so for images in 0..1) or bislerp. `crop_center` first cuts
// the middle out, so that the sides keep their ratio. Matches ComfyUI (parity/upscale image_nodes, latent_nodes).
Tensor resize(const Tensor& x, int64_t width, int64_t height, const std::string& method, bool crop_center = false);

// The same for pixels [B, H, W, C].
Tensor resize_pixels(const Tensor& pixels, int64_t width, int64_t height, const std::string& method,
                     bool crop_center = false);

// Python's round(): halves go to the even neighbour.
int64_t round_half_even(double value);

// Pixels in 0..1 to 0..255, cut off (not rounded), as SaveImage writes them. Contiguous.
Tensor to_bytes(const Tensor& pixels);

}  // namespace easel
