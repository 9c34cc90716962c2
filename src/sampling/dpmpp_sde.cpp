// DPM-Solver++ for the reverse SDE (Lu et al. 2022b, section 5 and appendix B), noise from a Brownian tree.
// Written with alpha and lambda so that variance-exploding sigmas (alpha = 1) and flow (alpha = 1 - sigma) share one
// formula.
#include "sampling/walks.h"

namespace easel {

// A stage at lambda + r h, then the whole step.
Tensor sample_dpmpp_sde(Walk& w) {
  if (w.steps() < 1) {
    return w.x;
  }
  const NoiseSource noise = walk_brownian(w);
  offset_first_sigma(w.sampling, w.sigmas);
  const auto eta = static_cast<float>(w.options.eta), r = static_cast<float>(w.options.r);
  const bool noisy = eta > 0 && w.options.s_noise > 0;
  const auto lambda = [&](float sigma) { return half_log_snr(w.sampling, sigma); };

  // x carried from sigma `from` to `to` with the given estimate of the picture, plus the step's noise
  const auto step = [&](const Tensor& estimate, float from, float to) {
    const float alpha_from = alpha_at(w.sampling, from), alpha_to = alpha_at(w.sampling, to);
    const auto [down, up] = ancestral_step(std::exp(-lambda(from)), std::exp(-lambda(to)), eta);
    const float h = -std::log(down) - lambda(from);
    Tensor x = alpha_to / alpha_from * std::exp(-h) * w.x - alpha_to * std::expm1(-h) * estimate;
    if (noisy) {
      x = x + alpha_to * noise(from, to) * w.options.s_noise * up;
    }
    return x;
  };
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    if (next == 0) {
      w.x = denoised;
      continue;
    }
    const float middle = sigma_at(w.sampling, lambda(sigma) + r * (lambda(next) - lambda(sigma)));
    const Tensor denoised2 = w.denoise(step(denoised, sigma, middle), middle);
    const float share = 1 / (2 * r);
    w.x = step((1 - share) * denoised + share * denoised2, sigma, next);
  }
  return w.x;
}

namespace {

// What the multistep solvers have in common: the exponential step, `correct(h)` for the higher order, the noise.
template <class Correct>
Tensor multistep_sde(Walk& w, Correct correct) {
  if (w.steps() < 1) {
    return w.x;
  }
  const NoiseSource noise = walk_brownian(w);
  offset_first_sigma(w.sampling, w.sigmas);
  const auto eta = static_cast<float>(w.options.eta);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    if (next == 0) {
      w.x = denoised;
      continue;
    }
    const float h = half_log_snr(w.sampling, next) - half_log_snr(w.sampling, sigma);
    const float h_eta = h * (eta + 1), alpha = alpha_at(w.sampling, next);
    w.x = next / sigma * std::exp(-h * eta) * w.x - alpha * std::expm1(-h_eta) * denoised;
    w.x = correct(w.x, denoised, h, h_eta, alpha);
    if (eta > 0 && w.options.s_noise > 0) {
      w.x = w.x + noise(sigma, next) * next * std::sqrt(-std::expm1(-2 * h * eta)) * w.options.s_noise;
    }
  }
  return w.x;
}

}  // namespace

Tensor sample_dpmpp_2m_sde(Walk& w) {
  Tensor old;
  float h_old = 0;
  return multistep_sde(w, [&](Tensor x, const Tensor& denoised, float h, float h_eta, float alpha) {
    if (old.defined()) {
      const float phi = -std::expm1(-h_eta), r = h_old / h;
      const float weight = w.options.heun ? alpha * (phi / -h_eta + 1) : 0.5f * alpha * phi;
      x = x + weight / r * (denoised - old);
    }
    old = denoised;
    h_old = h;
    return x;
  });
}

Tensor sample_dpmpp_3m_sde(Walk& w) {
  Tensor old1, old2;  // one and two steps ago
  float h1 = 0, h2 = 0;
  return multistep_sde(w, [&](Tensor x, const Tensor& denoised, float h, float h_eta, float alpha) {
    const float phi2 = std::expm1(-h_eta) / h_eta + 1;
    if (old2.defined()) {
      const float r0 = h1 / h, r1 = h2 / h;
      const Tensor d0 = (denoised - old1) / r0, d1 = (old1 - old2) / r1;
      const Tensor first = d0 + (d0 - d1) * r0 / (r0 + r1), second = (d0 - d1) / (r0 + r1);
      const float phi3 = phi2 / h_eta - 0.5f;
      x = x + alpha * phi2 * first - alpha * phi3 * second;
    } else if (old1.defined()) {
      x = x + alpha * phi2 * (denoised - old1) / (h1 / h);
    }
    old2 = old1;
    old1 = denoised;
    h2 = h1;
    h1 = h;
    return x;
  });
}

}  // namespace easel
