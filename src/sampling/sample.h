// The entry of this room: noise in, latent out. Nodes fill a request and call sample().
#pragma once
#include <span>
#include <string_view>

#include "sampling/conditioning.h"
#include "sampling/guidance.h"
#include "sampling/model_sampling.h"
#include "sampling/network.h"
#include "sampling/samplers.h"
#include "sampling/schedulers.h"

namespace easel {

// step: 0-based; x0: the denoised estimate, x: the noisy latent, both [B, C, H, W] in the model's scale. May throw to
// interrupt.
using SampleCallback = std::function<void(int64_t step, int64_t total, const Tensor& x0, const Tensor& x)>;

// What is common to every way of sampling.
struct SampleModel {
  Network network;
  ModelSampling sampling;
  std::function<Tensor(const Tensor&)> process_in;   // VAE latent -> model latent; empty: the same
  std::function<Tensor(const Tensor&)> process_out;  // model latent -> VAE latent; empty: the same
  std::function<Weights()> weights;                  // for controls that lie over them; may be empty
  MakeInputs inputs;                                 // Model::inputs(); empty: only cross_attn is used
  GuidancePatches patches;
  Denoiser denoiser;  // in place of network, for a model that denoises in sigma space by itself; usually empty
};

struct SampleRequest {
  SampleModel model;
  ConditioningList positive, negative;
  double cfg = 8.0;
  std::string sampler = "euler", scheduler = "normal";
  int64_t steps = 20;
  std::optional<int64_t> start_step, last_step;
  bool force_full_denoise = false;
  double denoise = 1.0;
  Tensor noise;         // [B, C, H, W] float32, prepare_noise() or zeros
  Tensor latent_image;  // [B, C, H, W] in the VAE's scale
  Tensor noise_mask;    // [N, 1, h, w] or [N, h, w], 1 = repaint; undefined: everything
  uint64_t seed = 0;    // of the noise that samplers draw on the way
  SampleCallback callback;
};

// KSampler: schedule from scheduler, steps and denoise, cut to [start_step, last_step], then sample_custom.
// Returns [B, C, H, W] float32. Throws Error on unknown names and on noise, latent or mask that do not fit together.
Tensor sample(const SampleRequest& request);

struct CustomRequest {
  SampleModel model;
  Guide guide;
  Sampler sampler;  // make_sampler(name)
  Sigmas sigmas;    // descending; empty: the latent is returned unchanged
  Tensor noise, latent_image, noise_mask;
  uint64_t seed = 0;
  SampleCallback callback;
};

// SamplerCustomAdvanced: the given sampler along the given sigmas.
Tensor sample_custom(const CustomRequest& request);

// KSampler's schedule: the penultimate sigma is dropped for some samplers; denoise < 1 keeps the end of a longer
// schedule.
Sigmas ksampler_sigmas(const ModelSampling& model, std::string_view scheduler, std::string_view sampler, int64_t steps,
                       double denoise = 1.0);

// Gaussian noise in latent's shape from the CPU generator seeded by the low 32 bits of `seed`. With batch_index, image
// i gets the noise that image batch_index[i] of a batch would get, drawn image by image.
Tensor prepare_noise(const Tensor& latent, uint64_t seed, const std::optional<std::vector<int64_t>>& batch_index = {});

}  // namespace easel
