// The samplers: each walks x along the sigmas with a few model calls a step. One file per family; the table is
// samplers.cpp.
#pragma once
#include <span>
#include <string_view>

#include "sampling/model_sampling.h"
#include "sampling/schedulers.h"

namespace easel {

// Options that the sampler nodes offer; a sampler reads those it knows.
struct SamplerOptions {
  double eta = 1.0;      // share of the step's noise drawn anew
  double s_noise = 1.0;  // its strength
  double r = 0.5;        // dpmpp_sde: place of the midpoint
  int64_t order = 4;     // lms; dpm_adaptive: 2 or 3
  bool heun = false;     // dpmpp_2m_sde: "heun" instead of "midpoint"

  // dpm_adaptive: error tolerances, first step in log sigma, PID controller of the step size
  double rtol = 0.05, atol = 0.0078, h_init = 0.05;
  double pcoeff = 0.0, icoeff = 1.0, dcoeff = 0.0, accept_safety = 0.81;

  // er_sde
  enum class Noise { er, reverse_time, none } noise = Noise::er;
  int64_t max_stage = 3;

  // sa_solver: the part of the schedule that is stochastic, in percent as ModelSampling::percent_to_sigma takes it
  double sde_start_percent = 0.2, sde_end_percent = 0.8;
  int64_t predictor_order = 3, corrector_order = 4;
  bool evaluate_corrected = false;  // "pece"
  bool simple_order_2 = false;
};

// What a sampler works with. `model` gives the denoised latent at a noise level, and on request the negative side's
// own.
struct Walk {
  std::function<Tensor(const Tensor& x, float sigma, Tensor* uncond)> model;
  Tensor x;  // [B, C, H, W], noised to sigmas[0]
  Sigmas sigmas;
  const ModelSampling& sampling;
  uint64_t seed = 0;
  SamplerOptions options;
  std::function<void(int64_t step, const Tensor& x, const Tensor& denoised)> report;

  // One step of the schedule and the model's estimate of the picture at its start.
  struct Step {
    float sigma, next;
    Tensor denoised;
  };
  // The estimate at x for step i, reported; the negative side's own goes to `uncond` if that is given.
  Step begin_step(int64_t i, Tensor* uncond = nullptr) const {
    Step step{sigmas[i], sigmas[i + 1], model(x, sigmas[i], uncond)};
    report(i, x, step.denoised);
    return step;
  }
  Tensor denoise(const Tensor& at, float sigma) const { return model(at, sigma, nullptr); }
  int64_t steps() const { return static_cast<int64_t>(sigmas.size()) - 1; }
};

struct Sampler {
  std::string name;
  std::function<Tensor(Walk&)> run;
  SamplerOptions options;
  bool fresh_inpaint_noise = false;  // ddim: the kept region is renoised with its own draw
};

// All 42, in ComfyUI's order.
std::span<const std::string_view> sampler_names();
bool has_sampler(std::string_view name);

// Throws Error on an unknown name.
Sampler make_sampler(std::string_view name);

// CFG++ by Euler's method without ancestral noise; `alternative` keeps x and exchanges the two estimates' difference.
Sampler euler_cfg_pp_sampler(bool alternative);

// LCM in which the latent grows to `ratio` times its size over the first `steps` steps (0: half of them).
using ResizeLatent = std::function<Tensor(const Tensor& x, int64_t width, int64_t height)>;
Sampler lcm_upscale_sampler(double ratio, int64_t steps, ResizeLatent resize);

}  // namespace easel
