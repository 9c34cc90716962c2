// DPM-Solver (Lu et al. 2022a) in t = -log sigma: a fixed plan of third-order steps, and adaptive step sizes.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "sampling/walks.h"

namespace easel {
namespace {

float sigma_of(float t) { return std::exp(-t); }

// The steps of algorithms 1 and 2 from time s to t. `eps` is the noise at s; the second-order midpoint is kept for the
// third-order step when both start alike (r1 = 1/3).
class Solver {
 public:
  Solver(const Walk& w, Tensor x, float s) : w_(w), x_(std::move(x)), s_(s), eps_(noise_at(x_, s)) {}

  Tensor denoised() const { return x_ - sigma_of(s_) * eps_; }

  Tensor first(float t) const { return x_ - sigma_of(t) * std::expm1(t - s_) * eps_; }

  Tensor second(float t, float r1) {
    const float h = t - s_;
    return first(t) - sigma_of(t) / (2 * r1) * std::expm1(h) * (middle(h, r1) - eps_);
  }

  Tensor third(float t) {
    constexpr float r1 = 1.0f / 3, r2 = 2.0f / 3;
    const float h = t - s_, s2 = s_ + r2 * h;
    const Tensor u2 = x_ - sigma_of(s2) * std::expm1(r2 * h) * eps_ -
                      sigma_of(s2) * (r2 / r1) * (std::expm1(r2 * h) / (r2 * h) - 1) * (middle(h, r1) - eps_);
    return first(t) - sigma_of(t) / r2 * (std::expm1(h) / h - 1) * (noise_at(u2, s2) - eps_);
  }

 private:
  Tensor noise_at(const Tensor& x, float t) const { return slope(x, sigma_of(t), w_.denoise(x, sigma_of(t))); }

  const Tensor& middle(float h, float r1) {
    if (!middle_.defined()) {
      const float s1 = s_ + r1 * h;
      middle_ = noise_at(x_ - sigma_of(s1) * std::expm1(r1 * h) * eps_, s1);
    }
    return middle_;
  }

  const Walk& w_;
  Tensor x_;
  float s_;
  Tensor eps_, middle_;
};

// Where an ancestral step to t really goes, and the noise to add there.
struct Target {
  float t, up;
};
Target target(float s, float t, float t_end, float eta) {
  if (eta == 0) {
    return {t, 0};
  }
  const auto [down, up] = ancestral_step(sigma_of(s), sigma_of(t), eta);
  const float t_down = std::min(t_end, -std::log(down));
  return {t_down, std::sqrt(sigma_of(t) * sigma_of(t) - sigma_of(t_down) * sigma_of(t_down))};
}

// The lowest sigma that is not 0: log sigma must be finite.
float last_sigma(const Walk& w) { return w.sigmas.back() == 0 ? w.sigmas[w.sigmas.size() - 2] : w.sigmas.back(); }

// One step to 0 leaves these solvers no interval, and ComfyUI then returns the noise; here it gives the estimate.
bool leaves_nothing(const Walk& w) { return last_sigma(w) == w.sigmas[0]; }
Tensor single_step(Walk& w) {
  const Tensor denoised = w.denoise(w.x, w.sigmas[0]);
  w.report(0, w.x, denoised);
  return denoised;
}

}  // namespace

// DPM-Solver-fast: as many model calls as steps, in blocks of three with a shorter end. The sigmas between the ends are
// not used.
Tensor sample_dpm_fast(Walk& w) {
  const int64_t evaluations = w.steps();
  if (evaluations < 1) {
    return w.x;
  }
  if (leaves_nothing(w)) {
    return single_step(w);
  }
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const float t_start = -std::log(w.sigmas[0]), t_end = -std::log(last_sigma(w));
  const int64_t blocks = evaluations / 3 + 1;
  std::vector<int64_t> orders(static_cast<size_t>(blocks), 3);
  if (evaluations % 3 == 0) {
    orders.back() = 1;
    orders[orders.size() - 2] = 2;
  } else {
    orders.back() = evaluations % 3;
  }
  const Tensor times = at::linspace(t_start, t_end, blocks + 1, at::kFloat);
  for (int64_t i = 0; i < blocks; ++i) {
    const float s = times[i].item<float>(), t = times[i + 1].item<float>();
    const auto [to, up] = target(s, t, t_end, static_cast<float>(w.options.eta));
    Solver solver(w, w.x, s);
    w.report(i, w.x, solver.denoised());
    const int64_t order = orders[static_cast<size_t>(i)];
    w.x = order == 1 ? solver.first(to) : order == 2 ? solver.second(to, 0.5f) : solver.third(to);
    if (up > 0) {
      w.x = w.x + up * w.options.s_noise * noise(sigma_of(s), sigma_of(t));
    }
  }
  return w.x;
}

namespace {

// A PID controller of the step size on the log of the error (Söderlind 2003), as in k-diffusion.
class StepSize {
 public:
  StepSize(const SamplerOptions& o, double order)
      : h(o.h_init),
        exponents_{(o.pcoeff + o.icoeff + o.dcoeff) / order, -(o.pcoeff + 2 * o.dcoeff) / order, o.dcoeff / order},
        safety_(o.accept_safety) {}

  bool accept(double error) {
    const double inverse = 1 / (error + 1e-8);
    if (first_) {
      errors_.fill(inverse);
      first_ = false;
    }
    errors_[0] = inverse;
    double factor = 1;
    for (size_t i = 0; i < 3; ++i) {
      factor *= std::pow(errors_[i], exponents_[i]);
    }
    factor = 1 + std::atan(factor - 1);
    const bool accepted = factor >= safety_;
    if (accepted) {
      errors_[2] = errors_[1];
      errors_[1] = errors_[0];
    }
    h *= factor;
    return accepted;
  }

  double h;

 private:
  std::array<double, 3> exponents_;
  double safety_;
  std::array<double, 3> errors_{};
  bool first_ = true;
};

}  // namespace

// DPM-Solver-12 or -23: two orders a step, their difference sets the step size. Throws when it does not arrive.
Tensor sample_dpm_adaptive(Walk& w) {
  constexpr int64_t kMaxSteps = 100000;
  const SamplerOptions& o = w.options;
  if (o.order != 2 && o.order != 3) {
    fail("sample_dpm_adaptive: order {}; wanted 2 or 3", o.order);
  }
  if (w.steps() < 1) {
    return w.x;
  }
  if (leaves_nothing(w)) {
    return single_step(w);
  }
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const float t_end = -std::log(last_sigma(w));
  float s = -std::log(w.sigmas[0]);
  StepSize step_size(o, o.eta > 0 ? 1.5 : static_cast<double>(o.order));
  Tensor previous = w.x;
  for (int64_t step = 0; s < t_end - 1e-5f; ++step) {
    if (step == kMaxSteps) {
      fail("sample_dpm_adaptive: not there after {} steps; perhaps rtol {} and atol {} are too small", step, o.rtol,
           o.atol);
    }
    const float t = std::min(t_end, s + static_cast<float>(step_size.h));
    const auto [to, up] = target(s, t, t_end, static_cast<float>(o.eta));
    Solver solver(w, w.x, s);
    const Tensor low = o.order == 2 ? solver.first(to) : solver.second(to, 1.0f / 3);
    const Tensor high = o.order == 2 ? solver.second(to, 0.5f) : solver.third(to);
    const Tensor allowed = (o.rtol * at::maximum(low.abs(), previous.abs())).clamp_min(o.atol);
    const double error = ((low - high) / allowed).norm().item<double>() / std::sqrt(static_cast<double>(w.x.numel()));
    const Tensor denoised = solver.denoised();
    if (!std::isfinite(error)) {
      fail("sample_dpm_adaptive: the latent is not finite at step {}", step);
    }
    if (step_size.accept(error)) {
      previous = low;
      w.x = up > 0 ? high + up * o.s_noise * noise(sigma_of(s), sigma_of(t)) : high;
      s = t;
    }
    w.report(step, w.x, denoised);
  }
  return w.x;
}

}  // namespace easel
