#include "sampling/cfg_patches.h"

#include <cmath>

namespace easel {
namespace {

// Norm over all but the first dimension, kept for broadcasting.
Tensor norm_per_image(const Tensor& t) {
  std::vector<int64_t> dims;
  for (int64_t d = 1; d < t.dim(); ++d) {
    dims.push_back(d);
  }
  return at::linalg_vector_norm(t, 2, dims, true);
}

Tensor dot_per_image(const Tensor& a, const Tensor& b) {
  std::vector<int64_t> shape(a.dim(), 1);
  shape[0] = a.size(0);
  return (a * b).flatten(1).sum(1).reshape(shape);
}

Tensor deviation_per_image(const Tensor& t) {
  std::vector<int64_t> shape(t.dim(), 1);
  shape[0] = t.size(0);
  return t.flatten(1).std(1, /*unbiased=*/true).reshape(shape);
}

void add_before(GuidancePatches& patches, GuidancePatches::Before change) {
  patches.before.push_back([change = std::move(change)] { return change; });
}

}  // namespace

void add_rescale_cfg(GuidancePatches& patches, double multiplier) {
  patches.mix = [multiplier](const Guided& step) {
    const double variance = static_cast<double>(step.sigma) * step.sigma + 1, root = std::sqrt(variance);
    const Tensor x = step.x / variance;
    const auto velocity = [&](const Tensor& denoised) { return (x - denoised) * root / step.sigma; };
    const Tensor cond = velocity(step.cond), uncond = velocity(step.uncond);
    const Tensor mixed = uncond + step.cfg * (cond - uncond);
    const Tensor rescaled = mixed * (deviation_per_image(cond) / deviation_per_image(mixed));
    return x - (multiplier * rescaled + (1 - multiplier) * mixed) * step.sigma / root;
  };
}

void add_apg(GuidancePatches& patches, double eta, double norm_threshold, double momentum) {
  patches.before.push_back([=]() -> GuidancePatches::Before {
    return [=, average = Tensor()](Guided& step) mutable {
      Tensor guidance = step.cond - step.uncond;
      if (momentum != 0) {
        average = average.defined() ? momentum * average + guidance : guidance;
        guidance = average;
      }
      if (norm_threshold > 0) {
        guidance = guidance * (norm_threshold / norm_per_image(guidance)).clamp_max(1.0);
      }
      const Tensor direction = step.cond / norm_per_image(step.cond).clamp_min(1e-12);
      const Tensor parallel = dot_per_image(guidance, direction) * direction;
      const Tensor projected = guidance - parallel + eta * parallel;
      step.cond = step.uncond + projected + (step.cond - step.uncond) / step.cfg;
    };
  });
}

void add_cfg_zero_star(GuidancePatches& patches) {
  patches.after.push_back([](const Guided& step, const Tensor& denoised) {
    const Tensor cond = step.x - step.cond, uncond = step.x - step.uncond;
    const Tensor alpha = dot_per_image(cond, uncond) / (dot_per_image(uncond, uncond) + 1e-8);
    return denoised + step.uncond * (alpha - 1) + step.cfg * step.uncond * (1 - alpha);
  });
}

void add_cfg_norm(GuidancePatches& patches, double strength) {
  patches.after.push_back([strength](const Guided& step, const Tensor& denoised) {
    const auto over_channels = [](const Tensor& t) { return at::linalg_vector_norm(t, 2, {1}, true); };
    return denoised * (over_channels(step.cond) / (over_channels(denoised) + 1e-8)).clamp(0, 1) * strength;
  });
}

void add_tcfg(GuidancePatches& patches) {
  add_before(patches, [](Guided& step) {
    const Tensor cond = (step.x - step.cond).flatten(1), uncond = (step.x - step.uncond).flatten(1);
    // The first right singular vector of the two scores, which is what they have in common
    const Tensor right = std::get<2>(at::linalg_svd(at::stack({uncond, cond}, 1), /*full_matrices=*/false));
    const Tensor common = right.select(1, 0);
    const Tensor damped = at::matmul(uncond.unsqueeze(1), common.unsqueeze(2)).squeeze(2) * common;
    step.uncond = step.x - damped.reshape_as(step.x);
  });
}

void add_mahiro(GuidancePatches& patches) {
  patches.after.push_back([](const Guided& step, const Tensor& denoised) {
    const auto root = [](const Tensor& t) { return t.abs().sqrt() * t.sign(); };
    const Tensor leap = step.cond * step.cfg;
    const Tensor alike =
        at::cosine_similarity(root(step.uncond * step.cfg), root((leap + denoised) / 2), 1, 1e-8).mean();
    const Tensor weight = 2 * (alike + 1);
    return (weight * denoised + (4 - weight) * leap) / 4;
  });
}

void add_fresca(GuidancePatches& patches, double scale_low, double scale_high, int64_t freq_cutoff) {
  add_before(patches, [=](Guided& step) {
    const Tensor guidance = step.cond - step.uncond;
    Tensor spectrum = at::fft_fftshift(at::fft_fftn(guidance, {}, at::IntArrayRef{-2, -1}), at::IntArrayRef{-2, -1});
    Tensor scale = at::full_like(guidance, scale_high);
    const int64_t row = guidance.size(-2) / 2, column = guidance.size(-1) / 2;
    const int64_t reach = std::min({freq_cutoff, row, column});
    scale.narrow(-2, row - reach, 2 * reach).narrow(-1, column - reach, 2 * reach).fill_(scale_low);
    spectrum = at::fft_ifftshift(spectrum * scale, at::IntArrayRef{-2, -1});
    step.cond = at::real(at::fft_ifftn(spectrum, {}, at::IntArrayRef{-2, -1})) + step.uncond;
  });
}

void add_renorm_cfg(GuidancePatches& patches, double cfg_trunc, double renorm) {
  patches.mix = [=](const Guided& step) -> Tensor {
    if (step.sigma >= cfg_trunc) {
      return step.cond;
    }
    Tensor mixed = step.uncond + step.cfg * (step.cond - step.uncond);
    if (renorm > 0) {
      mixed = mixed * (norm_per_image(step.cond) * renorm / norm_per_image(mixed)).clamp_max(1.0);
    }
    return mixed;
  };
}

void add_epsilon_scaling(GuidancePatches& patches, double factor) {
  patches.after.push_back(
      [factor](const Guided& step, const Tensor& denoised) { return step.x - (step.x - denoised) / factor; });
}

void add_perp_neg(GuidancePatches& patches, ConditioningList empty, double neg_scale) {
  patches.mix = [empty = std::move(empty), neg_scale](const Guided& step) {
    return perp_neg(step.cond, step.uncond, step.predictor(step.x, step.sigma, empty), step.cfg, neg_scale);
  };
}

void add_video_cfg(GuidancePatches& patches, double min_cfg, bool triangle) {
  patches.mix = [=](const Guided& step) {
    std::vector<int64_t> shape(step.cond.dim(), 1);
    shape[0] = step.cond.size(0);
    Tensor scale = at::linspace(triangle ? 0 : min_cfg, triangle ? 1 : step.cfg, shape[0], step.cond.options());
    if (triangle) {
      scale = (2 * (scale - (scale + 0.5).floor()).abs()) * (step.cfg - min_cfg) + min_cfg;
    }
    return step.uncond + scale.reshape(shape) * (step.cond - step.uncond);
  };
}

void add_latent_operation_cfg(GuidancePatches& patches, std::function<Tensor(const Tensor&)> operation) {
  add_before(patches, [operation = std::move(operation)](Guided& step) {
    step.cond = operation(step.cond - step.uncond) + step.uncond;
  });
}

void add_differential_diffusion(GuidancePatches& patches, double strength) {
  patches.mask = [strength](const Tensor& mask, float sigma, const Sigmas& sigmas, const ModelSampling& sampling) {
    const float last = sigmas.back() > sampling.sigma_min() ? sigmas.back() : sampling.sigma_min();
    const float from = sampling.timestep(sigmas.front()), to = sampling.timestep(last);
    const float ahead = (sampling.timestep(sigma) - to) / (from - to);
    const Tensor hard = mask.ge(ahead).to(mask.dtype());
    return strength < 1 ? strength * hard + (1 - strength) * mask : hard;
  };
}

}  // namespace easel
