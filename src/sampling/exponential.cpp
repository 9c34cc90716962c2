// Methods that lean on the last step's estimate: RES (an exponential integrator) and gradient estimation.
#include "sampling/walks.h"

namespace easel {
namespace {

// Second-order exponential integrator (Zhang et al. 2023, "Improved Order Analysis and Design of Exponential Integrator
// for Diffusion Models Sampling"), the earlier denoised estimate standing in for a midpoint.
Tensor res_multistep(Walk& w, bool cfg_pp) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const auto eta = static_cast<float>(w.options.eta);
  const auto finite = [](float value) { return std::isnan(value) ? 0.0f : value; };
  Tensor old_denoised;
  float old_down = 0;
  for (int64_t i = 0; i < w.steps(); ++i) {
    Tensor uncond;
    const auto [sigma, next, denoised] = w.begin_step(i, cfg_pp ? &uncond : nullptr);
    const Tensor& base = cfg_pp ? uncond : denoised;
    const auto [down, up] = ancestral_step(sigma, next, eta);
    if (down == 0 || !old_denoised.defined()) {
      w.x = cfg_pp ? denoised + slope(w.x, sigma, uncond) * down : w.x + slope(w.x, sigma, denoised) * (down - sigma);
    } else {
      const float t = -std::log(sigma), t_old = -std::log(old_down), t_next = -std::log(down);
      const float t_previous = -std::log(w.sigmas[i - 1]);
      const float h = t_next - t, c2 = (t_previous - t_old) / h;
      const float phi1 = std::expm1(-h) / -h, phi2 = (phi1 - 1) / -h;
      const float b1 = finite(phi1 - phi2 / c2), b2 = finite(phi2 / c2);
      if (cfg_pp) {
        w.x = w.x + (denoised - uncond);
      }
      w.x = std::exp(-h) * w.x + h * (b1 * base + b2 * old_denoised);
    }
    if (next > 0 && up > 0) {
      w.x = w.x + noise(sigma, next) * w.options.s_noise * up;
    }
    old_denoised = base;
    old_down = down;
  }
  return w.x;
}

// Permenter & Yuan 2024, "Interpreting and Improving Diffusion Models from an Optimization Perspective", algorithm 2:
// the slope is pushed on along its last change.
Tensor gradient_estimation(Walk& w, bool cfg_pp) {
  constexpr double kGamma = 2.0;
  Tensor old_slope;
  for (int64_t i = 0; i < w.steps(); ++i) {
    Tensor uncond;
    const auto [sigma, next, denoised] = w.begin_step(i, cfg_pp ? &uncond : nullptr);
    const Tensor d = slope(w.x, sigma, cfg_pp ? uncond : denoised);
    if (next == 0) {
      w.x = denoised;
    } else {
      w.x = cfg_pp ? denoised + d * next : w.x + d * (next - sigma);
      if (old_slope.defined()) {
        w.x = w.x + (kGamma - 1) * (d - old_slope) * (next - sigma);
      }
    }
    old_slope = d;
  }
  return w.x;
}

}  // namespace

Tensor sample_res_multistep(Walk& w) { return res_multistep(w, false); }
Tensor sample_res_multistep_cfg_pp(Walk& w) { return res_multistep(w, true); }
Tensor sample_gradient_estimation(Walk& w) { return gradient_estimation(w, false); }
Tensor sample_gradient_estimation_cfg_pp(Walk& w) { return gradient_estimation(w, true); }

}  // namespace easel
