// What the sampler families share, and their functions; only this room's sources include it. Scalars are float32, as
// the sigmas that ComfyUI computes with are.
#pragma once
#include <cmath>

#include "sampling/noise.h"
#include "sampling/samplers.h"

namespace easel {

// Slope dx/dsigma of the probability flow (Karras et al. 2022, equation 3).
inline Tensor slope(const Tensor& x, float sigma, const Tensor& denoised) { return (x - denoised) / sigma; }

// How far to step down and how much noise to add to land at `to` with a share eta of fresh noise (Song et al. 2020,
// equation 16).
struct AncestralStep {
  float down, up;
};
AncestralStep ancestral_step(float from, float to, float eta);

// The same for rectified flow, where the picture's share changes with sigma too: after stepping to `down`, x is scaled
// by `keep` and noise of strength `up` added.
struct FlowAncestralStep {
  float down, keep, up;
};
FlowAncestralStep flow_ancestral_step(float from, float to, float eta);

// lambda = log(alpha / sigma), half the log signal-to-noise ratio (Lu et al. 2022, section 2), and back.
float half_log_snr(const ModelSampling& sampling, float sigma);
float sigma_at(const ModelSampling& sampling, float half_log_snr);
// alpha of a sigma: 1 for variance-exploding sigmas, 1 - sigma for flow
float alpha_at(const ModelSampling& sampling, float sigma);
// A flow that starts at sigma 1 has infinite lambda there: start a little below.
void offset_first_sigma(const ModelSampling& sampling, Sigmas& sigmas);

// Brownian noise over the walk's sigmas. Make it before offset_first_sigma.
NoiseSource walk_brownian(const Walk& walk);

Tensor sample_euler(Walk&);
Tensor sample_euler_ancestral(Walk&);
Tensor sample_euler_cfg_pp(Walk&);
Tensor sample_euler_ancestral_cfg_pp(Walk&);
Tensor sample_heun(Walk&);
Tensor sample_heunpp2(Walk&);
Tensor sample_dpm_2(Walk&);
Tensor sample_dpm_2_ancestral(Walk&);
Tensor sample_lms(Walk&);
Tensor sample_ipndm(Walk&);
Tensor sample_ipndm_v(Walk&);
Tensor sample_deis(Walk&);
Tensor sample_dpm_fast(Walk&);
Tensor sample_dpm_adaptive(Walk&);
Tensor sample_dpmpp_2m(Walk&);
Tensor sample_dpmpp_2m_cfg_pp(Walk&);
Tensor sample_dpmpp_2s_ancestral(Walk&);
Tensor sample_dpmpp_2s_ancestral_cfg_pp(Walk&);
Tensor sample_dpmpp_sde(Walk&);
Tensor sample_dpmpp_2m_sde(Walk&);
Tensor sample_dpmpp_3m_sde(Walk&);
Tensor sample_ddpm(Walk&);
Tensor sample_lcm(Walk&);
Tensor sample_res_multistep(Walk&);
Tensor sample_res_multistep_cfg_pp(Walk&);
Tensor sample_gradient_estimation(Walk&);
Tensor sample_gradient_estimation_cfg_pp(Walk&);
Tensor sample_er_sde(Walk&);
Tensor sample_seeds_2(Walk&);
Tensor sample_seeds_3(Walk&);
Tensor sample_sa_solver(Walk&);
Tensor sample_sa_solver_pece(Walk&);
Tensor sample_uni_pc(Walk&);
Tensor sample_uni_pc_bh2(Walk&);

}  // namespace easel
