// SA-Solver: stochastic Adams predictor and corrector (Xue et al. 2023, "SA-Solver", algorithm 1, equations 14 and 17).
#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <deque>

#include "base/error.h"
#include "sampling/walks.h"

namespace easel {
namespace {

// Weights of the estimates at `nodes` (lambda, newest first) for a step from lambda s to t: the integrals of
// (1 + tau^2) exp((1 + tau^2)(lambda - t)) times the Lagrange basis.
std::vector<double> adams_weights(const std::vector<double>& nodes, double s, double t, double tau) {
  const double rate = 1 + tau * tau;
  std::vector<double> out;
  for (size_t j = 0; j < nodes.size(); ++j) {
    const auto integrand = [&](double lambda) {
      double basis = 1;
      for (size_t k = 0; k < nodes.size(); ++k) {
        if (k != j) {
          basis *= (lambda - nodes[k]) / (nodes[j] - nodes[k]);
        }
      }
      return rate * std::exp(rate * (lambda - t)) * basis;
    };
    out.push_back(boost::math::quadrature::gauss_kronrod<double, 31>::integrate(integrand, s, t, 8, 1e-10));
  }
  return out;
}

// The paper's simplified coefficients of order 2 (appendix D).
std::vector<double> simple_weights(const std::vector<double>& nodes, double s, double t, double tau, bool corrector) {
  const double rate = 1 + tau * tau, h = t - s;
  const double older = corrector ? -std::expm1(-h * rate) - 0.5 * rate * h : 0.5 * rate * h * h / (nodes[1] - s);
  return {-std::expm1(-h * rate) - older, older};
}

class SaSolver {
 public:
  explicit SaSolver(Walk& w) : w_(w), noise_(gaussian_noise(w.x, w.seed)), options_(w.options) {
    start_ = w.sampling.percent_to_sigma(options_.sde_start_percent);
    end_ = w.sampling.percent_to_sigma(options_.sde_end_percent);
    offset_first_sigma(w.sampling, w.sigmas);
    for (const float sigma : w.sigmas) {
      lambdas_.push_back(half_log_snr(w.sampling, sigma));
    }
  }

  Tensor run() {
    const int64_t steps = w_.steps();
    const bool to_zero = w_.sigmas.back() == 0;  // then the order falls near the end
    Tensor predicted = w_.x;
    for (int64_t i = 0; i < steps; ++i) {
      const float sigma = w_.sigmas[i], next = w_.sigmas[i + 1];
      Tensor denoised = w_.denoise(predicted, sigma);
      w_.report(i, predicted, denoised);
      estimates_.push_front(denoised);
      estimates_.resize(std::min<size_t>(
          estimates_.size(), static_cast<size_t>(std::max(options_.predictor_order, options_.corrector_order))));
      const auto available = static_cast<int64_t>(estimates_.size());
      int64_t predictor = std::min(options_.predictor_order, available);
      int64_t corrector = std::min(options_.corrector_order, available);
      if (i == 0 || (next == 0 && !options_.evaluate_corrected)) {
        corrector = 0;
      }
      if (to_zero) {
        predictor = std::min(predictor, steps - 1 - i);
        corrector = std::min(corrector, steps - i);
      }

      if (corrector == 0) {
        w_.x = predicted;
      } else {
        w_.x = step(i - 1, corrector, i);
        if (options_.evaluate_corrected) {
          denoised = w_.denoise(w_.x, sigma);
          estimates_.front() = denoised;
        }
      }
      if (next == 0) {
        predicted = denoised;
      } else {
        tau_ = next <= start_ && next >= end_ ? std::max(options_.eta, 0.0) : 0.0;
        step_noise_ = Tensor();
        if (tau_ > 0 && options_.s_noise > 0) {
          const double h = lambdas_[i + 1] - lambdas_[i];
          step_noise_ = noise_(sigma, next) * (next * std::sqrt(-std::expm1(-2 * tau_ * tau_ * h)) * options_.s_noise);
        }
        predicted = step(i, predictor, i);
      }
    }
    return predicted;
  }

 private:
  // x carried from step `from` to the next with the estimates up to step `newest`, and the step's noise.
  Tensor step(int64_t from, int64_t order, int64_t newest) const {
    const double s = lambdas_[from], t = lambdas_[from + 1];
    const double sigma_s = w_.sigmas[from], sigma_t = w_.sigmas[from + 1];
    const double alpha = sigma_t * std::exp(t);
    std::vector<double> nodes;
    for (int64_t k = 0; k < order; ++k) {
      nodes.push_back(lambdas_[newest - k]);
    }
    const std::vector<double> weights = options_.simple_order_2 && order == 2
                                            ? simple_weights(nodes, s, t, tau_, newest > from)
                                            : adams_weights(nodes, s, t, tau_);
    Tensor x = sigma_t / sigma_s * std::exp(-tau_ * tau_ * (t - s)) * w_.x;
    for (size_t k = 0; k < weights.size(); ++k) {
      x = x + alpha * weights[k] * estimates_[k];
    }
    return step_noise_.defined() ? x + step_noise_ : x;
  }

  Walk& w_;
  NoiseSource noise_;
  const SamplerOptions& options_;
  double start_, end_;
  std::vector<double> lambdas_;
  std::deque<Tensor> estimates_;  // the newest first
  double tau_ = 0;                // of the last predictor step, and its noise: the corrector repeats both
  Tensor step_noise_;
};

}  // namespace

Tensor sample_sa_solver(Walk& w) {
  const auto valid = [](int64_t order) { return order >= 0 && order <= 6; };
  if (w.options.predictor_order < 1 || !valid(w.options.predictor_order) || !valid(w.options.corrector_order)) {
    fail("sample_sa_solver: orders {} and {}; wanted 1 to 6 and 0 to 6", w.options.predictor_order,
         w.options.corrector_order);
  }
  return w.steps() < 1 ? w.x : SaSolver(w).run();
}

Tensor sample_sa_solver_pece(Walk& w) {
  w.options.evaluate_corrected = true;
  return sample_sa_solver(w);
}

}  // namespace easel
