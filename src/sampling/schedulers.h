// Noise schedules: the descending sigmas that a sampler visits, the last one usually 0.
#pragma once
#include <span>
#include <string_view>

#include "sampling/model_sampling.h"

namespace easel {

using Sigmas = std::vector<float>;

// In ComfyUI's order.
std::span<const std::string_view> scheduler_names();

// steps + 1 sigmas (some schedulers give fewer when steps are many). Throws Error on an unknown name or steps < 1.
Sigmas make_sigmas(std::string_view scheduler, const ModelSampling& model, int64_t steps);

// Karras et al. 2022, equation 5.
Sigmas karras_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho = 7.0);
// Uniform in log sigma; poly: the log moves with the power rho.
Sigmas polyexponential_sigmas(int64_t steps, double sigma_min, double sigma_max, double rho = 1.0);
// Quantiles of a Laplace distribution of log sigma (Hang & Gu 2024, "Improved Noise Schedule for Diffusion Training");
// no zero at the end.
Sigmas laplace_sigmas(int64_t steps, double sigma_min, double sigma_max, double mu, double beta);
// The continuous variance-preserving schedule (Song et al. 2021).
Sigmas vp_sigmas(int64_t steps, double beta_d, double beta_min, double eps_s);
// Every hundredth timestep from the last one on, as SD-Turbo was distilled for; at most 10 steps.
Sigmas turbo_sigmas(const ModelSampling& model, int64_t steps, double denoise);
// LTX-Video: flow shifted by the number of latent cells; `stretch` ends the schedule before its zero at `terminal`.
Sigmas ltxv_sigmas(int64_t steps, int64_t tokens, double max_shift, double base_shift, bool stretch, double terminal);

// "Align Your Steps", Sabour et al. 2024, theorem 3.1; one step gives NaN in the original, here sigma_max.
Sigmas kl_optimal_sigmas(int64_t steps, double sigma_min, double sigma_max);
// Timesteps at quantiles of Beta(alpha, beta), Lee et al. 2024 ("Beta Sampling is All You Need").
Sigmas beta_sigmas(const ModelSampling& model, int64_t steps, double alpha = 0.6, double beta = 0.6);

}  // namespace easel
