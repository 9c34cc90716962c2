// What U-Nets of the Stable Diffusion family are given beside latent and text: the vector of SDXL's sizes, further
// channels of inpainting and editing models, the picture of unCLIP.
#pragma once
#include "sampling/model_inputs.h"
#include "tensor/latent_format.h"
#include "tensor/weights.h"

namespace easel {

// SDXL's (Podell et al. 2023, section 2.2): pooled text [1, P], then sinusoids of height, width, crop and target size.
Tensor sdxl_vector(const Conditioning& conditioning, const RunFacts& run);
// The refiner's: an aesthetic score in place of the target size, 6 for what is wanted and 2.5 for what is not.
Tensor refiner_vector(const Conditioning& conditioning, const RunFacts& run);

// The channels of a model for inpainting: the mask, and the latent with what is masked taken out. Without a mask,
// everything is to be painted and the latent is that of a grey picture.
Tensor inpaint_channels(const Conditioning& conditioning, const RunFacts& run, const LatentFormat& format);
// The channel of a model guided by depth (SD2's): the conditioning's mask as a depth map, near is 1. ComfyUI has no
// node that gives one; InpaintModelConditioning's mask is taken.
Tensor depth_channel(const Conditioning& conditioning, const RunFacts& run);
// The channels of a model that edits pictures (Brooks et al. 2023, "InstructPix2Pix"): the latent of the picture.
Tensor edit_channels(const Conditioning& conditioning, const RunFacts& run);

// Noise on an image's CLIP vector and how much of it there is (Ramesh et al. 2022, as Stable unCLIP has it).
struct NoiseAugmentation {
  Tensor mean, deviation;  // [1, P] of such vectors

  // -> [1, 2 P]; several images are added and the sum is noised by `merge` once more.
  Tensor operator()(const std::vector<UnclipImage>& images, double merge, uint64_t seed) const;
};

// Along the first dimension, evenly picked or repeated.
Tensor resized_batch(const Tensor& x, int64_t batch);
// x [B, C, h, w] bilinearly scaled to height × width, cut to their proportions about the centre first.
Tensor fitted_to(const Tensor& x, int64_t height, int64_t width);

}  // namespace easel
