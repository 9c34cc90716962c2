// Linear multistep methods: the next slope is a polynomial through those of earlier steps.
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
    const auto [sigma, next, denoised] = w.begin_step(i);
    if (next == 0) {
      w.x = denoised;
      continue;
    }
    slopes.push_front(slope(w.x, sigma, denoised));
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
    const auto [sigma, next, denoised] = w.begin_step(i);
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

// The same with coefficients for uneven steps h (new to old). The third-order term is ComfyUI's, which differs from the
// exact Adams-Bashforth integral (that is lms).
Tensor sample_ipndm_v(Walk& w) {
  std::deque<Tensor> slopes;
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    if (next == 0) {
      w.x = denoised;
      continue;
    }
    slopes.push_front(slope(w.x, sigma, denoised));
    slopes.resize(std::min<size_t>(slopes.size(), 4));
    const auto length = [&](int64_t k) { return k <= i ? w.sigmas[i - k + 1] - w.sigmas[i - k] : 1.0f; };
    const float h = length(0), h1 = length(1), h2 = length(2), h3 = length(3);
    const float ratio = h / h1, ratio1 = h1 / h2;
    std::array<float, 4> c{1, 0, 0, 0};
    if (slopes.size() >= 2) {
      c = {(2 + ratio) / 2, -ratio / 2, 0, 0};
    }
    if (slopes.size() >= 3) {
      const float third = (1 - h / (3 * (h + h1)) * (h * (h + h1)) / (h1 * (h1 + h2))) / 2;
      c[0] += third;
      c[1] -= (1 + ratio1) * third;
      c[2] += ratio1 * third;
    }
    if (slopes.size() >= 4) {
      const float fourth = ((1 - h / (3 * (h + h1))) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))) *
                           (h * (h + h1) * (h + h1 + h2)) / (h1 * (h1 + h2) * (h1 + h2 + h3));
      const float older = h1 * (h1 + h2) / (h2 * (h2 + h3));
      c[0] += fourth;
      c[1] -= (1 + ratio1 + older) * fourth;
      c[2] += (ratio1 + older * (1 + h2 / h3)) * fourth;
      c[3] -= fourth * older * ratio1;
    }
    Tensor d = slopes[0] * c[0];
    for (size_t k = 1; k < slopes.size(); ++k) {
      d = d + slopes[k] * c[k];
    }
    w.x = w.x + d * h;
  }
  return w.x;
}

}  // namespace easel
