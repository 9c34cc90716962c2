// Methods that call the model more than once a step: Heun, Heun++, DPM-Solver-2.
#include "sampling/walks.h"

namespace easel {

// Karras et al. 2022, algorithm 1.
Tensor sample_heun(Walk& w) {
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    Tensor d = slope(w.x, sigma, denoised);
    if (next != 0) {
      const Tensor ahead = w.x + d * (next - sigma);
      d = (d + slope(ahead, next, w.denoise(ahead, next))) / 2;
    }
    w.x = w.x + d * (next - sigma);
  }
  return w.x;
}

// Heun++ (of the k-diffusion family): averages the slopes at up to three sigmas, weighted by how small they are.
Tensor sample_heunpp2(Walk& w) {
  const float first = w.sigmas.front(), end = w.sigmas.back();
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    Tensor d = slope(w.x, sigma, denoised);
    if (next != end) {
      const Tensor x2 = w.x + d * (next - sigma);
      const Tensor d2 = slope(x2, next, w.denoise(x2, next));
      const float after = w.sigmas[i + 2];
      if (after == end) {
        const float weight2 = next / (2 * first);
        d = d * (1 - weight2) + d2 * weight2;
      } else {
        const Tensor x3 = x2 + d2 * (after - next);
        const Tensor d3 = slope(x3, after, w.denoise(x3, after));
        const float weight2 = next / (3 * first), weight3 = after / (3 * first);
        d = d * (1 - weight2 - weight3) + d2 * weight2 + d3 * weight3;
      }
    }
    w.x = w.x + d * (next - sigma);
  }
  return w.x;
}

namespace {

// One step of DPM-Solver-2 (Lu et al. 2022a, algorithm 1) in sigma: the slope is taken at the geometric middle.
Tensor midpoint_step(const Walk& w, const Tensor& d, float sigma, float to) {
  if (to == 0) {
    return w.x + d * (to - sigma);
  }
  const float middle = std::exp(std::lerp(std::log(sigma), std::log(to), 0.5f));
  const Tensor x2 = w.x + d * (middle - sigma);
  return w.x + slope(x2, middle, w.denoise(x2, middle)) * (to - sigma);
}

}  // namespace

Tensor sample_dpm_2(Walk& w) {
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    w.x = midpoint_step(w, slope(w.x, sigma, denoised), sigma, next);
  }
  return w.x;
}

Tensor sample_dpm_2_ancestral(Walk& w) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const auto eta = static_cast<float>(w.options.eta);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    const Tensor d = slope(w.x, sigma, denoised);
    FlowAncestralStep step;
    if (w.sampling.is_flow()) {
      step = flow_ancestral_step(sigma, next, eta);
    } else {
      const auto [down, up] = ancestral_step(sigma, next, eta);
      step = {down, 1, up};
    }
    w.x = midpoint_step(w, d, sigma, step.down);
    if (step.down != 0) {
      w.x = step.keep * w.x + noise(sigma, next) * w.options.s_noise * step.up;
    }
  }
  return w.x;
}

}  // namespace easel
