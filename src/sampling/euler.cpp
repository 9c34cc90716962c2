// Euler's method on the probability flow, plain, ancestral, and with CFG++.
#include "sampling/walks.h"

namespace easel {

// Karras et al. 2022, algorithm 1 without its correction.
Tensor sample_euler(Walk& w) {
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    w.x = w.x + slope(w.x, sigma, denoised) * (next - sigma);
  }
  return w.x;
}

// Steps below the next sigma and adds noise back up to it (Song et al. 2020; for flow with the matching scales).
Tensor sample_euler_ancestral(Walk& w) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const auto eta = static_cast<float>(w.options.eta);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    if (next == 0) {
      w.x = denoised;
    } else if (w.sampling.is_flow()) {
      const auto [down, keep, up] = flow_ancestral_step(sigma, next, eta);
      w.x = down / sigma * w.x + (1 - down / sigma) * denoised;
      if (eta > 0) {
        w.x = keep * w.x + noise(sigma, next) * w.options.s_noise * up;
      }
    } else {
      const auto [down, up] = ancestral_step(sigma, next, eta);
      w.x = down == 0 ? denoised : w.x + slope(w.x, sigma, denoised) * (down - sigma);
      w.x = w.x + noise(sigma, next) * w.options.s_noise * up;
    }
  }
  return w.x;
}

// CFG++ (Chung et al. 2024, algorithm 2): the guided estimate of the picture, renoised with the unguided estimate of
// the noise.
Tensor sample_euler_ancestral_cfg_pp(Walk& w) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const auto eta = static_cast<float>(w.options.eta);
  for (int64_t i = 0; i < w.steps(); ++i) {
    Tensor uncond;
    const auto [sigma, next, denoised] = w.begin_step(i, &uncond);
    if (next == 0) {
      w.x = denoised;
      continue;
    }
    const float alpha = alpha_at(w.sampling, sigma), alpha_next = alpha_at(w.sampling, next);
    const auto [down, up] = ancestral_step(sigma / alpha, next / alpha_next, eta);
    w.x = alpha_next * denoised + alpha_next * down * slope(w.x, sigma, alpha * uncond);
    if (eta > 0 && w.options.s_noise > 0) {
      w.x = w.x + alpha_next * noise(sigma, next) * w.options.s_noise * up;
    }
  }
  return w.x;
}

Tensor sample_euler_cfg_pp(Walk& w) {
  w.options.eta = 0;
  return sample_euler_ancestral_cfg_pp(w);
}

Sampler euler_cfg_pp_sampler(bool alternative) {
  return {.name = "euler_cfg_pp", .run = [alternative](Walk& w) {
            for (int64_t i = 0; i < w.steps(); ++i) {
              Tensor uncond;
              const auto [sigma, next, denoised] = w.begin_step(i, &uncond);
              w.x = alternative ? w.x + slope(w.x - denoised + uncond, sigma, denoised) * (next - sigma)
                                : denoised + slope(w.x, sigma, uncond) * next;
            }
            return w.x;
          }};
}

}  // namespace easel
