// ER-SDE-Solver-3 (Cui et al. 2023, "Elucidating the Solution Space of Extended Reverse-Time SDE"),
// in lambda = sigma / alpha.
#include <algorithm>

#include "sampling/walks.h"

namespace easel {
namespace {

// phi(lambda), which sets how much noise is drawn anew.
double noise_scale(const SamplerOptions& o, double lambda) {
  switch (o.noise) {
    case SamplerOptions::Noise::er:
      return lambda * (std::exp(std::pow(lambda, 0.3)) + 10);
    case SamplerOptions::Noise::reverse_time:
      return std::pow(lambda, o.eta + 1);
    case SamplerOptions::Noise::none:
      return lambda;
  }
  return lambda;
}

}  // namespace

Tensor sample_er_sde(Walk& w) {
  constexpr int kPoints = 200;  // of the integrals over a step, part of the recorded result
  const SamplerOptions& o = w.options;
  const bool noisy = o.s_noise > 0 && o.noise != SamplerOptions::Noise::none &&
                     !(o.noise == SamplerOptions::Noise::reverse_time && o.eta == 0);
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  offset_first_sigma(w.sampling, w.sigmas);
  const auto lambda_of = [&](int64_t i) {
    return static_cast<double>(std::exp(-half_log_snr(w.sampling, w.sigmas[i])));
  };

  Tensor old_denoised, old_first;
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    if (next == 0) {
      w.x = denoised;
      continue;
    }
    const double from = lambda_of(i), to = lambda_of(i + 1);
    const double alpha_from = sigma / from, alpha_to = next / to;
    const double r = noise_scale(o, to) / noise_scale(o, from);
    w.x = alpha_to / alpha_from * r * w.x + alpha_to * (1 - r) * denoised;

    const int64_t stage = std::min(o.max_stage, i + 1);
    if (stage >= 2) {
      const double dt = to - from, width = -dt / kPoints;
      double integral = 0, moment = 0;
      for (int p = 0; p < kPoints; ++p) {
        const double at = to + p * width, scale = noise_scale(o, at);
        integral += width / scale;
        moment += width * (at - from) / scale;
      }
      // Divided differences of the estimate in lambda
      const Tensor first = (denoised - old_denoised) / (from - lambda_of(i - 1));
      w.x = w.x + alpha_to * (dt + integral * noise_scale(o, to)) * first;
      if (stage >= 3) {
        const Tensor second = (first - old_first) / ((from - lambda_of(i - 2)) / 2);
        w.x = w.x + alpha_to * (dt * dt / 2 + moment * noise_scale(o, to)) * second;
      }
      old_first = first;
    }
    old_denoised = denoised;
    if (noisy) {
      const double variance = to * to - from * from * r * r;
      w.x = w.x + alpha_to * noise(sigma, next) * o.s_noise * std::sqrt(std::max(variance, 0.0));
    }
  }
  return w.x;
}

}  // namespace easel
