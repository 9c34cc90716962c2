// SEEDS-2 and SEEDS-3 (Gonzalez et al. 2023, "SEEDS: Exponential SDE Solvers", algorithms 2 and 3), picture prediction.
#include "sampling/walks.h"

namespace easel {
namespace {

// One step of the schedule in lambda. The noise grows along the step: each stage adds its own part to what came before.
class Step {
 public:
  Step(const Walk& w, const NoiseSource& noise, float sigma, float next)
      : w_(w), draw_(noise), sigma_(sigma), next_(next), lambda_(half_log_snr(w.sampling, sigma)) {
    h_ = half_log_snr(w.sampling, next) - lambda_;
    eta_ = static_cast<float>(w.options.eta);
  }

  float h_eta() const { return h_ * (eta_ + 1); }
  // sigma after a fraction r of the step
  float sigma_at(float r) const { return r == 1 ? next_ : easel::sigma_at(w_.sampling, lambda_ + r * h_); }

  // x after a fraction r, given the combination of estimates weighted by exponential integrals
  Tensor advance(float r, const Tensor& weighted) {
    const float sigma = sigma_at(r);
    Tensor x = sigma / sigma_ * std::exp(-r * h_ * eta_) * w_.x - alpha_at(w_.sampling, sigma) * weighted;
    if (eta_ > 0 && w_.options.s_noise > 0) {
      const float part = (r - done_) * h_ * eta_;
      const Tensor fresh = draw_(sigma_at(done_), sigma) * std::sqrt(-std::expm1(-2 * part));
      noise_ = noise_.defined() ? noise_ * std::exp(-part) + fresh : fresh;
      x = x + sigma * noise_ * w_.options.s_noise;
      done_ = r;
    }
    return x;
  }

 private:
  const Walk& w_;
  const NoiseSource& draw_;
  float sigma_, next_, lambda_, h_ = 0, eta_ = 0;
  float done_ = 0;  // the fraction that noise_ covers
  Tensor noise_;
};

template <class Stages>
Tensor walk_stages(Walk& w, Stages stages) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  offset_first_sigma(w.sampling, w.sigmas);
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    if (next == 0) {
      w.x = denoised;
    } else {
      Step step(w, noise, sigma, next);
      w.x = stages(step, denoised);
    }
  }
  return w.x;
}

}  // namespace

Tensor sample_seeds_2(Walk& w) {
  return walk_stages(w, [&](Step& step, const Tensor& denoised) {
    const auto r = static_cast<float>(w.options.r);
    const Tensor x2 = step.advance(r, std::expm1(-r * step.h_eta()) * denoised);
    const Tensor denoised2 = w.denoise(x2, step.sigma_at(r));
    const float share = 1 / (2 * r);
    return step.advance(1, std::expm1(-step.h_eta()) * ((1 - share) * denoised + share * denoised2));
  });
}

Tensor sample_seeds_3(Walk& w) {
  return walk_stages(w, [&](Step& step, const Tensor& denoised) {
    constexpr float r1 = 1.0f / 3, r2 = 2.0f / 3;
    const float h = step.h_eta();
    const float e2 = std::expm1(-r2 * h), e3 = std::expm1(-h);
    const Tensor x2 = step.advance(r1, std::expm1(-r1 * h) * denoised);
    const Tensor denoised2 = w.denoise(x2, step.sigma_at(r1));
    const float a2 = -r2 / r1 * (e2 / (r2 * h) + 1);
    const Tensor x3 = step.advance(r2, (e2 - a2) * denoised + a2 * denoised2);
    const Tensor denoised3 = w.denoise(x3, step.sigma_at(r2));
    const float b3 = -(e3 / h + 1) / r2;
    return step.advance(1, (e3 - b3) * denoised + b3 * denoised3);
  });
}

}  // namespace easel
