// DPM-Solver++ as an ODE solver, in t = -log sigma (Lu et al. 2022b, "DPM-Solver++").
#include "sampling/walks.h"

namespace easel {
namespace {

float time_of(float sigma) { return -std::log(sigma); }

}  // namespace

// Algorithm 2 (2M).
Tensor sample_dpmpp_2m(Walk& w) {
  Tensor old_denoised;
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    const float h = time_of(next) - time_of(sigma);  // infinite in the last step, which then gives `denoised`
    Tensor estimate = denoised;
    if (old_denoised.defined() && next != 0) {
      const float r = (time_of(sigma) - time_of(w.sigmas[i - 1])) / h;
      estimate = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old_denoised;
    }
    w.x = next / sigma * w.x - std::expm1(-h) * estimate;
    old_denoised = denoised;
  }
  return w.x;
}

// 2M with CFG++ (Chung et al. 2024).
Tensor sample_dpmpp_2m_cfg_pp(Walk& w) {
  Tensor old_uncond;
  for (int64_t i = 0; i < w.steps(); ++i) {
    Tensor uncond;
    const auto [sigma, next, denoised] = w.begin_step(i, &uncond);
    const float h = time_of(next) - time_of(sigma);
    Tensor mix = -std::exp(-h) * uncond;
    if (old_uncond.defined() && next != 0) {
      const float r = (time_of(sigma) - time_of(w.sigmas[i - 1])) / h;
      mix = mix - std::expm1(-h) * (1 / (2 * r)) * (denoised - old_uncond);
    }
    w.x = denoised + mix + std::exp(-h) * w.x;
    old_uncond = uncond;
  }
  return w.x;
}

namespace {

// Ancestral 2S in flow's own time lambda = log((1 - sigma) / sigma).
Tensor dpmpp_2s_ancestral_flow(Walk& w) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const auto eta = static_cast<float>(w.options.eta);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    const auto [down, keep, up] = flow_ancestral_step(sigma, next, eta);
    if (next == 0) {
      w.x = w.x + slope(w.x, sigma, denoised) * (down - sigma);
      continue;
    }
    const float from = half_log_snr(w.sampling, sigma), to = half_log_snr(w.sampling, down);
    const float middle = sigma == 1 ? 0.9999f : sigma_at(w.sampling, from + 0.5f * (to - from));
    const Tensor x2 = middle / sigma * w.x + (1 - middle / sigma) * denoised;
    w.x = down / sigma * w.x + (1 - down / sigma) * w.denoise(x2, middle);
    if (eta > 0) {
      w.x = keep * w.x + noise(sigma, next) * w.options.s_noise * up;
    }
  }
  return w.x;
}

}  // namespace

// Algorithm 1 (2S) with ancestral noise.
Tensor sample_dpmpp_2s_ancestral(Walk& w) {
  if (w.sampling.is_flow()) {
    return dpmpp_2s_ancestral_flow(w);
  }
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    const auto [down, up] = ancestral_step(sigma, next, static_cast<float>(w.options.eta));
    if (down == 0) {
      w.x = w.x + slope(w.x, sigma, denoised) * (down - sigma);
    } else {
      const float h = time_of(down) - time_of(sigma), middle = std::exp(-(time_of(sigma) + 0.5f * h));
      const Tensor x2 = middle / sigma * w.x - std::expm1(-h * 0.5f) * denoised;
      w.x = down / sigma * w.x - std::expm1(-h) * w.denoise(x2, middle);
    }
    if (next > 0) {
      w.x = w.x + noise(sigma, next) * w.options.s_noise * up;
    }
  }
  return w.x;
}

Tensor sample_dpmpp_2s_ancestral_cfg_pp(Walk& w) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  for (int64_t i = 0; i < w.steps(); ++i) {
    Tensor uncond;
    const auto [sigma, next, denoised] = w.begin_step(i, &uncond);
    const auto [down, up] = ancestral_step(sigma, next, static_cast<float>(w.options.eta));
    if (down == 0) {
      w.x = denoised + slope(w.x, sigma, uncond) * down;
    } else {
      const float h = time_of(down) - time_of(sigma), middle = std::exp(-(time_of(sigma) + 0.5f * h));
      const Tensor x2 = middle / sigma * (w.x + (denoised - uncond)) - std::expm1(-h * 0.5f) * denoised;
      // From here on `uncond` is the middle's, beside the start's `denoised`: ComfyUI's behaviour
      const Tensor denoised2 = w.model(x2, middle, &uncond);
      w.x = down / sigma * (w.x + (denoised - uncond)) - std::expm1(-h) * denoised2;
    }
    if (next > 0) {
      w.x = w.x + noise(sigma, next) * w.options.s_noise * up;
    }
  }
  return w.x;
}

}  // namespace easel
