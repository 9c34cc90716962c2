#include "sampling/model_sampling.h"

#include <cmath>

#include "base/error.h"

namespace easel {
namespace {

constexpr double kBeforeFirstStep = 999999999.9;  // larger than any sigma: "from the very start"

// [B] or scalar -> [B, 1, 1, ...] so that it multiplies x
Tensor like(const Tensor& sigma, const Tensor& x) {
  if (sigma.dim() == 0) {
    return sigma;
  }
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = sigma.numel();
  return sigma.reshape(shape);
}

// Rescales so that the last step carries no signal: shift and scale sqrt(alpha_bar) (Lin et al. 2023, algorithm 1). The
// last alpha_bar is a tiny number instead of 0 because sigma must stay finite; it is the number that ComfyUI uses.
Tensor zero_terminal_snr(const Tensor& sigmas) {
  constexpr double kLastAlphaBar = 4.8973451890853435e-08;
  Tensor root = (1 / (sigmas * sigmas + 1)).sqrt();
  const Tensor first = root[0].clone(), last = root[-1].clone();
  root = (root - last) * (first / (first - last));
  Tensor alpha_bar = root * root;
  alpha_bar[-1] = kLastAlphaBar;
  return ((1 - alpha_bar) / alpha_bar).sqrt();
}

// Esser et al. 2024, equation 23
template <class T>
T shift_time(double shift, const T& t) {
  return shift == 1.0 ? t : shift * t / (1 + (shift - 1) * t);
}

// Flux: the same curve with shift exp(mu)
template <class T>
T flux_shift_time(double mu, const T& t) {
  return std::exp(mu) / (std::exp(mu) + (1 / t - 1));
}

Tensor scalar(double value) { return at::scalar_tensor(value, at::kFloat); }

}  // namespace

ModelSampling::ModelSampling() : ModelSampling(discrete(Prediction::eps)) {}

ModelSampling ModelSampling::discrete(Prediction prediction) { return discrete(prediction, Betas()); }

ModelSampling ModelSampling::discrete(Prediction prediction, const Betas& betas) {
  if (betas.timesteps < 1 || betas.timesteps > 1000000) {
    fail("ModelSampling::discrete: {} timesteps; wanted 1 to 1000000", betas.timesteps);
  }
  ModelSampling out(prediction, Schedule::discrete);
  const Tensor beta = at::linspace(std::sqrt(betas.start), std::sqrt(betas.end), betas.timesteps, at::kDouble).square();
  const Tensor alpha_bar = (1 - beta).cumprod(0);
  const Tensor sigmas = ((1 - alpha_bar) / alpha_bar).sqrt();
  out.set_sigmas(betas.zero_snr ? zero_terminal_snr(sigmas) : sigmas);
  return out;
}

ModelSampling ModelSampling::discrete_flow(double shift, double multiplier) {
  ModelSampling out(Prediction::flow, Schedule::discrete_flow);
  out.shift_ = shift;
  out.multiplier_ = multiplier;
  out.set_sigmas(out.sigma(at::arange(1, 1001, at::kFloat) / 1000 * multiplier));
  return out;
}

ModelSampling ModelSampling::flux(double shift) {
  ModelSampling out(Prediction::flow, Schedule::flux);
  out.shift_ = shift;
  out.set_sigmas(out.sigma(at::arange(1, 10001, at::kFloat) / 10000));
  return out;
}

ModelSampling ModelSampling::continuous_edm(Prediction prediction, double sigma_min, double sigma_max,
                                            double sigma_data) {
  if (!(sigma_min > 0 && sigma_max > sigma_min && sigma_data > 0)) {
    fail(
        "ModelSampling::continuous_edm: sigma_min {}, sigma_max {}, sigma_data {}; wanted 0 < sigma_min < sigma_max "
        "and a "
        "positive sigma_data",
        sigma_min, sigma_max, sigma_data);
  }
  ModelSampling out(prediction, Schedule::continuous_edm);
  out.sigma_data_ = sigma_data;
  out.set_sigmas(at::linspace(std::log(sigma_min), std::log(sigma_max), 1000, at::kFloat).exp());
  return out;
}

void ModelSampling::set_sigmas(const Tensor& sigmas) {
  sigmas_ = sigmas.to(at::kFloat);
  log_sigmas_ = sigmas.log().to(at::kFloat);
  sigma_min_ = sigmas_[0].item<float>();
  sigma_max_ = sigmas_[-1].item<float>();
}

Tensor ModelSampling::timestep(const Tensor& sigma) const {
  switch (schedule_) {
    case Schedule::discrete: {
      const Tensor flat = sigma.to(at::kFloat).log().reshape({1, -1});
      const Tensor distance = (flat - log_sigmas_.to(sigma.device()).unsqueeze(1)).abs();
      return distance.argmin(0).reshape(sigma.sizes()).to(at::kFloat);
    }
    case Schedule::discrete_flow:
      return sigma * multiplier_;
    case Schedule::flux:
      return sigma;
    case Schedule::continuous_edm:
      return 0.25 * sigma.log();
  }
  return sigma;
}

Tensor ModelSampling::sigma(const Tensor& timestep) const {
  switch (schedule_) {
    case Schedule::discrete: {
      const Tensor logs = log_sigmas_.to(timestep.device());
      const Tensor t = timestep.to(at::kFloat).clamp(0, static_cast<double>(logs.numel() - 1));
      const Tensor low = t.floor(), weight = t - low;
      const Tensor log_sigma =
          (1 - weight) * logs.index({low.to(at::kLong)}) + weight * logs.index({t.ceil().to(at::kLong)});
      return log_sigma.exp();
    }
    case Schedule::discrete_flow:
      return shift_time<Tensor>(shift_, timestep / multiplier_);
    case Schedule::flux:
      return flux_shift_time<Tensor>(shift_, timestep);
    case Schedule::continuous_edm:
      return (timestep / 0.25).exp();
  }
  return timestep;
}

float ModelSampling::timestep(float sigma) const { return timestep(scalar(sigma)).item<float>(); }
float ModelSampling::sigma(float timestep) const { return sigma(scalar(timestep)).item<float>(); }

double ModelSampling::percent_to_sigma(double percent) const {
  if (percent <= 0.0) {
    return is_flow() ? 1.0 : kBeforeFirstStep;
  }
  if (percent >= 1.0) {
    return 0.0;
  }
  percent = 1.0 - percent;
  switch (schedule_) {
    case Schedule::discrete:
      return sigma(static_cast<float>(percent * 999.0));  // 999 whatever the number of timesteps, as ComfyUI has it
    case Schedule::discrete_flow:
      return shift_time<double>(shift_, percent);
    case Schedule::flux:
      return flux_shift_time<double>(shift_, percent);
    case Schedule::continuous_edm: {
      const double low = std::log(sigma_min_), high = std::log(sigma_max_);
      return std::exp((high - low) * percent + low);
    }
  }
  return 0.0;
}

Tensor ModelSampling::calculate_input(const Tensor& sigma, const Tensor& x) const {
  if (prediction_ == Prediction::flow) {
    return x;
  }
  return x / (like(sigma, x).square() + sigma_data_ * sigma_data_).sqrt();
}

Tensor ModelSampling::calculate_denoised(const Tensor& sigma, const Tensor& output, const Tensor& x) const {
  const Tensor s = like(sigma, x);
  const double data2 = sigma_data_ * sigma_data_;
  switch (prediction_) {
    case Prediction::eps:
    case Prediction::flow:
      return x - output * s;
    case Prediction::v:
      return x * data2 / (s * s + data2) - output * s * sigma_data_ / (s * s + data2).sqrt();
    case Prediction::edm:
      return x * data2 / (s * s + data2) + output * s * sigma_data_ / (s * s + data2).sqrt();
    case Prediction::x0:
      return output;
  }
  return output;
}

Tensor ModelSampling::noise_scaling(const Tensor& sigma, const Tensor& noise, const Tensor& latent,
                                    bool max_denoise) const {
  const Tensor s = like(sigma, noise);
  if (is_flow()) {
    return s * noise + (1 - s) * latent;
  }
  return (max_denoise ? noise * (1 + s * s).sqrt() : noise * s) + latent;
}

Tensor ModelSampling::inverse_noise_scaling(const Tensor& sigma, const Tensor& latent) const {
  return is_flow() ? latent / (1 - like(sigma, latent)) : latent;
}

}  // namespace easel
