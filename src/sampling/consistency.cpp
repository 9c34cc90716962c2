// Samplers that jump to the estimated picture and noise it anew: LCM, and DDPM's posterior step.
#include <algorithm>

#include "sampling/walks.h"

namespace easel {

// Multistep consistency sampling (Song et al. 2023, algorithm 1).
Tensor sample_lcm(Walk& w) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    w.x = next > 0 ? w.sampling.noise_scaling(at::scalar_tensor(next, w.x.options()), noise(sigma, next), denoised)
                   : denoised;
  }
  return w.x;
}

Sampler lcm_upscale_sampler(double ratio, int64_t steps, ResizeLatent resize) {
  return {.name = "lcm_upscale", .run = [=](Walk& w) {
            const int64_t growing = steps > 0 ? std::min(steps, w.steps() + 1) : std::max<int64_t>(w.steps() / 2, 1);
            const int64_t height = w.x.size(-2), width = w.x.size(-1);
            at::Generator generator = cpu_generator(w.seed);
            at::randn(w.x.sizes(), generator);  // ComfyUI draws from the generator that made the initial noise
            for (int64_t i = 0; i < w.steps(); ++i) {
              const auto [sigma, next, denoised] = w.begin_step(i);
              w.x = denoised;
              if (i < growing) {
                const double scale = 1 + (ratio - 1) * static_cast<double>(i + 1) / static_cast<double>(growing);
                w.x = resize(w.x, std::lround(static_cast<double>(width) * scale),
                             std::lround(static_cast<double>(height) * scale));
              }
              if (next > 0) {
                w.x = w.x + next * at::randn(w.x.sizes(), generator).to(w.x.device());
              }
            }
            return w.x;
          }};
}

// Ho et al. 2020, algorithm 2, with alpha_bar = 1 / (sigma^2 + 1) and x scaled to unit variance.
Tensor sample_ddpm(Walk& w) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    const float alpha_bar = 1 / (sigma * sigma + 1), alpha_bar_next = 1 / (next * next + 1);
    const float alpha = alpha_bar / alpha_bar_next;
    const Tensor eps = slope(w.x, sigma, denoised);
    Tensor x = w.x / std::sqrt(1 + sigma * sigma);
    x = std::sqrt(1 / alpha) * (x - (1 - alpha) * eps / std::sqrt(1 - alpha_bar));
    if (next > 0) {
      x = x + std::sqrt((1 - alpha) * (1 - alpha_bar_next) / (1 - alpha_bar)) * noise(sigma, next);
      x = x * std::sqrt(1 + next * next);
    }
    w.x = x;
  }
  return w.x;
}

}  // namespace easel
