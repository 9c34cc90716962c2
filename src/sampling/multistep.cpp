// Methods that reuse the slopes of earlier steps: linear multistep, Adams-Bashforth, RES, gradient estimation.
#include <algorithm>
#include <array>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <deque>

#include "base/error.h"
#include "sampling/walks.h"

namespace easel {
namespace {

// Integral over [sigma_i, sigma_i+1] of the j-th Lagrange basis polynomial through the last `order` sigmas. 21 points
// are exact up to degree 31.
double lagrange_integral(const Sigmas& sigmas, int64_t order, int64_t i, int64_t j) {
  const auto basis = [&](double tau) {
    double product = 1;
    for (int64_t k = 0; k < order; ++k) {
      if (k != j) {
        product *= (tau - sigmas[i - k]) / (static_cast<double>(sigmas[i - j]) - sigmas[i - k]);
      }
    }
    return product;
  };
  return boost::math::quadrature::gauss_kronrod<double, 21>::integrate(basis, sigmas[i], sigmas[i + 1], 0);
}

}  // namespace

// Linear multistep of Katherine Crowson (k-diffusion): Adams-Bashforth on uneven steps.
Tensor sample_lms(Walk& w) {
  const int64_t max_order = w.options.order;
  if (max_order < 1 || max_order > 100) {
    fail("sample_lms: order {}; wanted 1 to 100", max_order);
  }
  std::deque<Tensor> slopes;  // the newest first
  for (int64_t i = 0; i < w.steps(); ++i) {
    const Tensor denoised = w.denoise(w.x, w.sigmas[i]);
    w.report(i, w.x, denoised);
    if (w.sigmas[i + 1] == 0) {
      w.x = denoised;
      continue;
    }
    slopes.push_front(slope(w.x, w.sigmas[i], denoised));
    const int64_t order = std::min(i + 1, max_order);
    slopes.resize(static_cast<size_t>(order));
    Tensor x = w.x;
    for (int64_t j = 0; j < order; ++j) {
      x = x + slopes[static_cast<size_t>(j)] * lagrange_integral(w.sigmas, order, i, j);
    }
    w.x = x;
  }
  return w.x;
}

// Adams-Bashforth up to order 4 with the coefficients of even steps (Liu et al. 2022, "PNDM", equation 12; Zhang & Chen
// 2022, "iPNDM").
Tensor sample_ipndm(Walk& w) {
  constexpr std::array<std::array<double, 4>, 4> kCoefficients{{{1, 0, 0, 0},
                                                                {3. / 2, -1. / 2, 0, 0},
                                                                {23. / 12, -16. / 12, 5. / 12, 0},
                                                                {55. / 24, -59. / 24, 37. / 24, -9. / 24}}};
  std::deque<Tensor> slopes;
  for (int64_t i = 0; i < w.steps(); ++i) {
    const float sigma = w.sigmas[i], next = w.sigmas[i + 1];
    const Tensor denoised = w.denoise(w.x, sigma);
    w.report(i, w.x, denoised);
    if (next == 0) {
      w.x = denoised;
      continue;
    }
    slopes.push_front(slope(w.x, sigma, denoised));
    slopes.resize(std::min<size_t>(slopes.size(), 4));
    Tensor d = at::zeros_like(w.x);
    for (size_t k = 0; k < slopes.size(); ++k) {
      d = d + slopes[k] * kCoefficients[slopes.size() - 1][k];
    }
    w.x = w.x + d * (next - sigma);
  }
  return w.x;
}

namespace {

// Second-order exponential integrator (Zhang et al. 2023, "Improved Order Analysis and Design of Exponential Integrator
// for Diffusion Models Sampling", table 1), the earlier denoised estimate standing in for a midpoint.
Tensor res_multistep(Walk& w, bool cfg_pp) {
  const NoiseSource noise = gaussian_noise(w.x, w.seed);
  const auto eta = static_cast<float>(w.options.eta);
  const auto finite = [](float value) { return std::isnan(value) ? 0.0f : value; };
  Tensor old_denoised;
  float old_down = 0;
  for (int64_t i = 0; i < w.steps(); ++i) {
    const float sigma = w.sigmas[i], next = w.sigmas[i + 1];
    Tensor uncond;
    const Tensor denoised = w.model(w.x, sigma, cfg_pp ? &uncond : nullptr);
    w.report(i, w.x, denoised);
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
    const float sigma = w.sigmas[i], next = w.sigmas[i + 1];
    Tensor uncond;
    const Tensor denoised = w.model(w.x, sigma, cfg_pp ? &uncond : nullptr);
    w.report(i, w.x, denoised);
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
