#include "sampling/schedulers.h"

#include <algorithm>
#include <array>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

#include "base/error.h"

namespace easel {
namespace {

Sigmas to_sigmas(const Tensor& tensor) {
  const Tensor flat = tensor.to(at::kCPU, at::kFloat).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

Sigmas with_zero(const Tensor& tensor) {
  Sigmas out = to_sigmas(tensor);
  out.push_back(0.0f);
  return out;
}

// Every n-th entry of the table, from the top. The index is computed in double and truncated, as Python's int().
Sigmas simple(const ModelSampling& model, int64_t steps) {
  const Sigmas table = to_sigmas(model.sigmas());
  const double stride = static_cast<double>(table.size()) / static_cast<double>(steps);
  Sigmas out;
  for (int64_t i = 0; i < steps; ++i) {
    out.push_back(table[table.size() - 1 - static_cast<size_t>(static_cast<double>(i) * stride)]);
  }
  out.push_back(0.0f);
  return out;
}

// DDIM's uniform timesteps (Song et al. 2020): from entry 1 upward with a whole stride. The number of sigmas follows
// from the stride, so it can differ from steps + 1.
Sigmas ddim_uniform(const ModelSampling& model, int64_t steps) {
  const Sigmas table = to_sigmas(model.sigmas());
  Sigmas out;
  if (std::abs(table[1]) <= 1e-5f) {
    steps += 1;
  } else {
    out.push_back(0.0f);
  }
  const size_t stride = std::max<size_t>(table.size() / static_cast<size_t>(steps), 1);
  for (size_t i = 1; i < table.size(); i += stride) {
    out.push_back(table[i]);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

// Uniform timesteps from sigma_max to sigma_min; `sgm` leaves out the last one.
Sigmas uniform_timesteps(const ModelSampling& model, int64_t steps, bool sgm) {
  const float start = model.timestep(model.sigma_max()), end = model.timestep(model.sigma_min());
  // When the schedule's lowest sigma is 0 already, no further zero is added, and one more timestep is taken.
  const bool add_zero = std::abs(model.sigma(end)) > 1e-5f;
  if (!add_zero) {
    steps += 1;
  }
  Tensor timesteps = at::linspace(start, end, sgm ? steps + 1 : steps, at::kFloat);
  if (sgm) {
    timesteps = timesteps.slice(0, 0, steps);
  }
  Sigmas out = to_sigmas(model.sigma(timesteps));
  if (add_zero) {
    out.push_back(0.0f);
  }
  return out;
}

// Linear at first, quadratic after; from Mochi's reference code.
Sigmas linear_quadratic(const ModelSampling& model, int64_t steps) {
  constexpr double kThreshold = 0.025;
  if (steps == 1) {
    return {model.sigma_max(), 0.0f};
  }
  const int64_t linear = steps / 2, quadratic = steps - linear;
  const double difference = static_cast<double>(linear) - kThreshold * static_cast<double>(steps);
  const double quadratic_coef = difference / static_cast<double>(linear * quadratic * quadratic);
  const double linear_coef =
      kThreshold / static_cast<double>(linear) - 2 * difference / static_cast<double>(quadratic * quadratic);
  const double constant = quadratic_coef * static_cast<double>(linear * linear);
  Sigmas out;
  for (int64_t i = 0; i < steps; ++i) {
    const double t = static_cast<double>(i);
    const double clean =
        i < linear ? t * kThreshold / static_cast<double>(linear) : quadratic_coef * t * t + linear_coef * t + constant;
    out.push_back(static_cast<float>(1.0 - clean) * model.sigma_max());
  }
  out.push_back(0.0f);
  return out;
}

struct Entry {
  std::string_view name;
  Sigmas (*make)(const ModelSampling&, int64_t steps);
};

constexpr std::array<Entry, 9> kSchedulers{{
    {"simple", simple},
    {"sgm_uniform", [](const ModelSampling& m, int64_t n) { return uniform_timesteps(m, n, true); }},
    {"karras", [](const ModelSampling& m, int64_t n) { return karras_sigmas(n, m.sigma_min(), m.sigma_max()); }},
    {"exponential",
     [](const ModelSampling& m, int64_t n) { return polyexponential_sigmas(n, m.sigma_min(), m.sigma_max()); }},
    {"ddim_uniform", ddim_uniform},
    {"beta", [](const ModelSampling& m, int64_t n) { return beta_sigmas(m, n); }},
    {"normal", [](const ModelSampling& m, int64_t n) { return uniform_timesteps(m, n, false); }},
    {"linear_quadratic", linear_quadratic},
    {"kl_optimal",
     [](const ModelSampling& m, int64_t n) { return kl_optimal_sigmas(n, m.sigma_min(), m.sigma_max()); }},
}};

}  // namespace

std::span<const std::string_view> scheduler_names() {
  static const auto names = [] {
    std::array<std::string_view, kSchedulers.size()> out;
    std::transform(kSchedulers.begin(), kSchedulers.end(), out.begin(), [](const Entry& e) { return e.name; });
    return out;
  }();
  return names;
}

Sigmas make_sigmas(std::string_view scheduler, const ModelSampling& model, int64_t steps) {
  if (steps < 1 || steps > 1000000) {
    fail("make_sigmas: {} steps; wanted 1 to 1000000", steps);
  }
  for (const Entry& entry : kSchedulers) {
    if (entry.name == scheduler) {
      return entry.make(model, steps);
    }
  }
  fail("make_sigmas: unknown scheduler '{}'", scheduler);
}

Sigmas karras_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho) {
  const Tensor ramp = at::linspace(0, 1, steps, at::kFloat);
  const double low = std::pow(sigma_min, 1 / rho), high = std::pow(sigma_max, 1 / rho);
  return with_zero((high + ramp * (low - high)).pow(rho));
}

Sigmas polyexponential_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho) {
  const double low = std::log(sigma_min), high = std::log(sigma_max);
  return with_zero((at::linspace(1, 0, steps, at::kFloat).pow(rho) * (high - low) + low).exp());
}

Sigmas laplace_sigmas(int64_t steps, double sigma_min, double sigma_max, double mu, double beta) {
  constexpr double kEpsilon = 1e-5;  // keeps the logarithm finite at both ends
  const Tensor x = 0.5 - at::linspace(0, 1, steps, at::kFloat);
  return to_sigmas((mu - beta * x.sign() * (1 - 2 * x.abs() + kEpsilon).log()).exp().clamp(sigma_min, sigma_max));
}

Sigmas vp_sigmas(int64_t steps, double beta_d, double beta_min, double eps_s) {
  const Tensor t = at::linspace(1, eps_s, steps, at::kFloat);
  return with_zero(((beta_d * t.square() / 2 + beta_min * t).exp() - 1).sqrt());
}

Sigmas turbo_sigmas(const ModelSampling& model, int64_t steps, double denoise) {
  Sigmas out;
  const int64_t first = 10 - static_cast<int64_t>(10 * denoise);
  for (int64_t i = first; i < std::min<int64_t>(first + steps, 10); ++i) {
    out.push_back(model.sigma(static_cast<float>((10 - i) * 100 - 1)));
  }
  out.push_back(0.0f);
  return out;
}

Sigmas ltxv_sigmas(int64_t steps, int64_t tokens, double max_shift, double base_shift, bool stretch, double terminal) {
  constexpr double kFewTokens = 1024, kManyTokens = 4096;  // where base_shift and max_shift hold
  const double slope = (max_shift - base_shift) / (kManyTokens - kFewTokens);
  const double shift = std::exp(base_shift + (static_cast<double>(tokens) - kFewTokens) * slope);
  Tensor sigmas = at::linspace(1, 0, steps + 1, at::kFloat).slice(0, 0, steps);
  sigmas = shift / (shift + (1 / sigmas - 1));
  if (stretch) {
    sigmas = 1 - (1 - sigmas) * ((1 - terminal) / (1 - sigmas[-1]));
  }
  return with_zero(sigmas);
}

Sigmas kl_optimal_sigmas(int64_t steps, double sigma_min, double sigma_max) {
  if (steps == 1) {
    return {static_cast<float>(sigma_max), 0.0f};
  }
  const Tensor ramp = at::arange(steps, at::kFloat) / static_cast<double>(steps - 1);
  return with_zero((ramp * std::atan(sigma_min) + (1 - ramp) * std::atan(sigma_max)).tan());
}

Sigmas beta_sigmas(const ModelSampling& model, int64_t steps, double alpha, double beta) {
  const Sigmas table = to_sigmas(model.sigmas());
  const double last = static_cast<double>(table.size() - 1);
  Sigmas out;
  int64_t previous = -1;
  for (int64_t i = 0; i < steps; ++i) {
    const double p = 1.0 - static_cast<double>(i) / static_cast<double>(steps);
    // rint: halves to even, as numpy rounds
    const auto index = static_cast<int64_t>(std::rint(boost::math::ibeta_inv(alpha, beta, p) * last));
    if (index != previous) {
      out.push_back(table[static_cast<size_t>(index)]);
    }
    previous = index;
  }
  out.push_back(0.0f);
  return out;
}

}  // namespace easel
