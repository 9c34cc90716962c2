#include "sampling/walks.h"

#include <algorithm>

namespace easel {

AncestralStep ancestral_step(float from, float to, float eta) {
  if (eta == 0) {
    return {to, 0};
  }
  // from may be infinite (flow at sigma 1): the root is then NaN and min keeps `to`
  const float up = std::min(to, eta * std::sqrt(to * to * (from * from - to * to) / (from * from)));
  return {std::sqrt(to * to - up * up), up};
}

FlowAncestralStep flow_ancestral_step(float from, float to, float eta) {
  const float down = to * (1 + (to / from - 1) * eta);
  const float keep = (1 - to) / (1 - down);
  return {down, keep, std::sqrt(to * to - down * down * (1 - to) * (1 - to) / ((1 - down) * (1 - down)))};
}

float half_log_snr(const ModelSampling& sampling, float sigma) {
  return sampling.is_flow() ? -std::log(sigma / (1 - sigma)) : -std::log(sigma);
}

float sigma_at(const ModelSampling& sampling, float half_log_snr) {
  return sampling.is_flow() ? 1 / (1 + std::exp(half_log_snr)) : std::exp(-half_log_snr);
}

float alpha_at(const ModelSampling& sampling, float sigma) { return sigma * std::exp(half_log_snr(sampling, sigma)); }

void offset_first_sigma(const ModelSampling& sampling, Sigmas& sigmas) {
  if (sampling.is_flow() && sigmas.size() > 1 && sigmas[0] >= 1) {
    sigmas[0] = static_cast<float>(sampling.percent_to_sigma(1e-4));
  }
}

NoiseSource walk_brownian(const Walk& walk) {
  float low = walk.sigmas[0], high = walk.sigmas[0];
  for (const float sigma : walk.sigmas) {
    high = std::max(high, sigma);
    if (sigma > 0) {
      low = std::min(low, sigma);
    }
  }
  return brownian_noise(walk.x, low, high, walk.seed);
}

}  // namespace easel
