// How a model's prediction relates to a picture at noise level sigma: prediction type and schedule, as one value.
#pragma once
#include "tensor/aten.h"

namespace easel {

enum class Prediction {
  eps,   // noise (DDPM, Ho et al. 2020)
  v,     // velocity (Salimans & Ho 2022, appendix D)
  edm,   // preconditioned (Karras et al. 2022, equation 7)
  x0,    // the picture itself
  flow,  // rectified flow: noise minus picture (Liu et al. 2022); sigma runs from 0 to 1
};

// Tensors stay on the device of their argument. Copies share the sigma table.
class ModelSampling {
 public:
  // Discrete variance-preserving schedule; betas are linear in their square roots ("scaled linear"), timesteps 0..n-1.
  // zero_snr moves the last step to zero signal (Lin et al. 2023, algorithm 1).
  struct Betas {
    double start = 0.00085, end = 0.012;
    int64_t timesteps = 1000;
    bool zero_snr = false;
  };

  ModelSampling();  // Stable Diffusion 1.x: eps on the default betas
  static ModelSampling discrete(Prediction prediction);
  static ModelSampling discrete(Prediction prediction, const Betas& betas);
  // Rectified flow with a shifted schedule (Esser et al. 2024, equation 23); timesteps run to `multiplier`.
  static ModelSampling discrete_flow(double shift = 1.0, double multiplier = 1000.0);
  // Flux's flow: the shift is exp(shift), the timestep is sigma itself.
  static ModelSampling flux(double shift = 1.15);
  // Log-uniform sigmas of EDM (Karras et al. 2022); prediction is eps, v or edm.
  static ModelSampling continuous_edm(Prediction prediction, double sigma_min = 0.002, double sigma_max = 120.0,
                                      double sigma_data = 1.0);

  Prediction prediction() const { return prediction_; }
  bool is_flow() const { return prediction_ == Prediction::flow; }
  const Tensor& sigmas() const { return sigmas_; }  // [N] float32, ascending, on the CPU
  float sigma_min() const { return sigma_min_; }
  float sigma_max() const { return sigma_max_; }

  Tensor timestep(const Tensor& sigma) const;  // any shape, float32
  Tensor sigma(const Tensor& timestep) const;  // any shape, float32
  float timestep(float sigma) const;
  float sigma(float timestep) const;
  double percent_to_sigma(double percent) const;  // 0 = before the first step, 1 = the end

  // sigma: [B] or a scalar tensor; x, noise, latent, output: [B, ...].
  Tensor calculate_input(const Tensor& sigma, const Tensor& x) const;
  Tensor calculate_denoised(const Tensor& sigma, const Tensor& output, const Tensor& x) const;
  // The noised latent a sampler starts from. `max_denoise`: the run starts at the schedule's top.
  Tensor noise_scaling(const Tensor& sigma, const Tensor& noise, const Tensor& latent, bool max_denoise = false) const;
  Tensor inverse_noise_scaling(const Tensor& sigma, const Tensor& latent) const;

 private:
  enum class Schedule { discrete, discrete_flow, flux, continuous_edm };

  ModelSampling(Prediction prediction, Schedule schedule) : prediction_(prediction), schedule_(schedule) {}
  void set_sigmas(const Tensor& sigmas);  // float64 or float32 [N]

  Prediction prediction_;
  Schedule schedule_;
  double shift_ = 1.0, multiplier_ = 1.0, sigma_data_ = 1.0;
  Tensor sigmas_, log_sigmas_;
  float sigma_min_ = 0, sigma_max_ = 0;
};

}  // namespace easel
