// DEIS, tAB-DEIS of order 3 (Zhang & Chen 2022, "Fast Sampling of Diffusion Models with Exponential Integrator",
// equation 15).
#include <algorithm>
#include <deque>

#include "sampling/walks.h"

namespace easel {
namespace {

// The variance-preserving time in which the slope is interpolated: alpha_bar(t) = exp(-t^2 (b1 - b0) / 2 - t b0), with
// b0, b1 such that t = 0.001 is sigma 0.002 and t = 1 is sigma 80.
struct VpTime {
  double d, min;

  VpTime() {
    constexpr double kFirst = 1e-3, kSigmaMin = 0.002, kSigmaMax = 80;
    const double low = std::log(kSigmaMin * kSigmaMin + 1), high = std::log(kSigmaMax * kSigmaMax + 1);
    d = 2 * (low / kFirst - high) / (kFirst - 1);
    min = high - 0.5 * d;
  }
  double of_sigma(double sigma) const { return (std::sqrt(min * min + 2 * d * std::log(sigma * sigma + 1)) - min) / d; }
  // -1/2 d log(alpha_bar)/dt / sqrt(alpha_bar (1 - alpha_bar))
  double weight(double t) const {
    const double alpha_bar = std::exp(-0.5 * t * t * d - t * min);
    return 0.5 * (t * d + min) / std::sqrt(alpha_bar * (1 - alpha_bar));
  }
};

// Weights of the slopes at times[i], times[i-1], ...: integrals of `weight` times the Lagrange basis, summed over
// 10,000 points as in the reference, whose error is part of the recorded result.
std::vector<double> coefficients(const VpTime& vp, const std::vector<double>& times, int64_t i, int64_t order) {
  constexpr int kPoints = 10000;
  const double from = times[i], to = times[i + 1];
  std::vector<double> sums(static_cast<size_t>(order));
  for (int p = 0; p < kPoints; ++p) {
    const double tau = from + (to - from) * p / (kPoints - 1);
    const double weight = vp.weight(tau);
    for (int64_t j = 0; j < order; ++j) {
      double basis = 1;
      for (int64_t k = 0; k < order; ++k) {
        if (k != j) {
          basis *= (tau - times[i - k]) / (times[i - j] - times[i - k]);
        }
      }
      sums[static_cast<size_t>(j)] += weight * basis;
    }
  }
  for (double& sum : sums) {
    sum *= (to - from) / kPoints;
  }
  return sums;
}

}  // namespace

Tensor sample_deis(Walk& w) {
  constexpr int64_t kMaxOrder = 3;
  const VpTime vp;
  std::vector<double> times;
  for (const float sigma : w.sigmas) {
    times.push_back(vp.of_sigma(sigma));
  }
  std::deque<Tensor> slopes;
  for (int64_t i = 0; i < w.steps(); ++i) {
    const auto [sigma, next, denoised] = w.begin_step(i);
    slopes.push_front(slope(w.x, sigma, denoised));
    slopes.resize(std::min<size_t>(slopes.size(), kMaxOrder));
    const auto order = next > 0 ? static_cast<int64_t>(slopes.size()) : 1;
    if (order == 1) {
      w.x = w.x + slopes[0] * (next - sigma);
      continue;
    }
    const std::vector<double> c = coefficients(vp, times, i, order);
    for (size_t k = 0; k < c.size(); ++k) {
      w.x = w.x + slopes[k] * c[k];
    }
  }
  return w.x;
}

}  // namespace easel
