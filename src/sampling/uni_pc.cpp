// UniPC: a predictor and a corrector of any order that share their model calls (Zhao et al. 2023, "UniPC", picture
// prediction). In sigma's own scale x = x_vp / alpha the paper's update reads
//   x_t = sigma_t / sigma_0 x_0 - expm1(-h) m_0 - B(h) sum_k rho_k D_k,   h = log(sigma_0 / sigma_t).
#include <deque>

#include "sampling/walks.h"

namespace easel {
namespace {

enum class Variant { bh1, bh2 };  // B(h) = -h and expm1(-h)

// sigma / alpha as ComfyUI gets it in float32, through 1 - alpha^2: at the last sigma, 0.001, it is 2 % off, and that
// shows.
float rounded_sigma(float sigma) {
  const float log_alpha = 0.5f * std::log(1 / (sigma * sigma + 1));
  const float rounded = std::exp(std::log(std::sqrt(1 - std::exp(2 * log_alpha))) - log_alpha);
  return rounded > 0 ? rounded : sigma;  // below 2e-4 nothing would be left of it
}

struct Past {
  Tensor denoised;
  float sigma;
};

// The coefficients of one step: R rho = b.
struct System {
  std::vector<double> r;  // (lambda_k - lambda_0) / h of the earlier points, then 1
  std::vector<double> b;
  double B, phi1;
};

System make_system(const std::deque<Past>& past, float sigma, int64_t order, Variant variant) {
  System s;
  const double h = std::log(past[0].sigma) - std::log(sigma), hh = -h;
  for (int64_t k = 1; k < order; ++k) {
    s.r.push_back((std::log(past[0].sigma) - std::log(past[static_cast<size_t>(k)].sigma)) / h);
  }
  s.r.push_back(1.0);
  s.phi1 = std::expm1(hh);
  s.B = variant == Variant::bh1 ? hh : s.phi1;
  double phi = s.phi1 / hh - 1, factorial = 1;
  for (int64_t k = 1; k <= order; ++k) {
    s.b.push_back(phi * factorial / s.B);
    factorial *= static_cast<double>(k + 1);
    phi = phi / hh - 1 / factorial;
  }
  return s;
}

// Solves the first n rows and columns of the Vandermonde system.
std::vector<double> solve(const System& s, int64_t n) {
  Tensor matrix = at::empty({n, n}, at::kDouble), right = at::empty({n}, at::kDouble);
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      matrix[row][column] = std::pow(s.r[static_cast<size_t>(column)], static_cast<double>(row));
    }
    right[row] = s.b[static_cast<size_t>(row)];
  }
  const Tensor rho = at::linalg_solve(matrix, right);
  return {rho.data_ptr<double>(), rho.data_ptr<double>() + n};
}

Tensor uni_pc(Walk& w, Variant variant) {
  const int64_t steps = w.steps();
  if (steps < 1) {
    return w.x;
  }
  if (w.sigmas.back() == 0) {
    w.sigmas.back() = 0.001f;  // lambda must stay finite; flow is later divided by 1 - 0.001 too, as in ComfyUI
  }
  Sigmas sigmas;
  for (const float sigma : w.sigmas) {
    sigmas.push_back(rounded_sigma(sigma));
  }
  // The picture by way of the noise, so that the rounding takes part there too
  const auto denoise = [&](const Tensor& x, int64_t step) {
    return x - (x - w.denoise(x, w.sigmas[step])) * (sigmas[step] / w.sigmas[step]);
  };
  const int64_t max_order = std::max<int64_t>(1, std::min<int64_t>(3, steps - 1));
  // The callback sees x in the variance-preserving scale
  const auto report = [&](int64_t step, float sigma, const Tensor& denoised) {
    w.report(step, w.x / std::sqrt(1 + sigma * sigma), denoised);
  };

  std::deque<Past> past{{denoise(w.x, 0), sigmas[0]}};  // the newest first
  if (steps > 1) {
    report(0, sigmas[0], past[0].denoised);
  }
  for (int64_t step = 1; step <= steps; ++step) {
    const float sigma = sigmas[step];
    const int64_t order = std::min({max_order, step, steps + 1 - step});
    const System s = make_system(past, sigma, order, variant);
    const Tensor& m0 = past[0].denoised;
    const Tensor base = sigma / past[0].sigma * w.x - s.phi1 * m0;
    std::vector<Tensor> differences;
    for (int64_t k = 1; k < order; ++k) {
      const auto i = static_cast<size_t>(k);
      differences.push_back((past[i].denoised - m0) / s.r[i - 1]);
    }
    const auto corrected = [&](const std::vector<double>& rho) {
      Tensor x = base;
      for (size_t k = 0; k < differences.size(); ++k) {
        x = x - s.B * rho[k] * differences[k];
      }
      return x;
    };
    const Tensor predicted = order == 1 ? base : corrected(order == 2 ? std::vector<double>{0.5} : solve(s, order - 1));
    if (step == steps) {  // nothing is left to correct with
      w.x = predicted;
      break;
    }
    Past now{denoise(predicted, step), sigma};
    const std::vector<double> rho = order == 1 ? std::vector<double>{0.5} : solve(s, order);
    w.x = corrected(rho) - s.B * rho.back() * (now.denoised - m0);
    past.push_front(std::move(now));
    past.resize(std::min<size_t>(past.size(), static_cast<size_t>(max_order)));
    if (step < steps - 1) {
      report(step, sigma, past[0].denoised);
    }
  }
  report(steps - 1, sigmas.back(), past[0].denoised);
  return w.x;
}

}  // namespace

Tensor sample_uni_pc(Walk& w) { return uni_pc(w, Variant::bh1); }
Tensor sample_uni_pc_bh2(Walk& w) { return uni_pc(w, Variant::bh2); }

}  // namespace easel
