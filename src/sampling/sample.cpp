#include "sampling/sample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "sampling/noise.h"

namespace easel {
namespace {

// Samplers whose last but one sigma is left out; one more step is scheduled in its place.
bool drops_penultimate(std::string_view sampler) {
  constexpr std::array<std::string_view, 4> kNames{"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"};
  return std::find(kNames.begin(), kNames.end(), sampler) != kNames.end();
}

std::string shape_text(const Tensor& t) {
  std::ostringstream out;
  out << t.sizes();
  return out.str();
}

void check_latent(const char* name, const Tensor& t) {
  if (!t.defined() || t.dim() < 3 || t.size(0) < 1) {
    fail("sample: {} has {} dimensions; wanted [B, C, H, W]", name, t.defined() ? t.dim() : 0);
  }
}

// [N, 1, h, w] or [N, h, w] of any size -> [B, C, H, W] of the latent's
Tensor fit_noise_mask(const Tensor& mask, const Tensor& latent) {
  if (mask.dim() < 2) {
    fail("sample: the noise mask has {} dimensions; wanted [N, H, W]", mask.dim());
  }
  if (latent.dim() != 4) {
    fail("sample: a noise mask for a latent of {} dimensions is not there yet; wanted [B, C, H, W]", latent.dim());
  }
  Tensor out = mask.to(latent.device(), at::kFloat).reshape({-1, 1, mask.size(-2), mask.size(-1)});
  out = at::upsample_bilinear2d(out, {latent.size(2), latent.size(3)}, false);
  const int64_t times = (latent.size(0) + out.size(0) - 1) / out.size(0);
  return out.repeat({times, latent.size(1), 1, 1}).narrow(0, 0, latent.size(0));
}

// What the mask leaves alone is held to the original latent: noised to the current level on the way in, restored on the
// way out.
struct Inpaint {
  const SampleModel& model;
  const Sigmas& sigmas;
  Tensor mask, noise, latent;  // all [B, C, H, W]; mask undefined: repaint everything

  Tensor mask_at(float sigma) const {
    return model.patches.mask ? model.patches.mask(mask, sigma, sigmas, model.sampling) : mask;
  }
  Tensor before(const Tensor& x, float sigma) const {
    if (!mask.defined()) {
      return x;
    }
    const Tensor kept = model.sampling.noise_scaling(at::scalar_tensor(sigma, noise.options()), noise, latent);
    const Tensor now = mask_at(sigma);
    return x * now + kept * (1 - now);
  }
  Tensor after(const Tensor& denoised, float sigma) const {
    if (!mask.defined()) {
      return denoised;
    }
    const Tensor now = mask_at(sigma);
    return denoised * now + latent * (1 - now);
  }
};

Tensor converted(const std::function<Tensor(const Tensor&)>& function, const Tensor& latent) {
  return function ? function(latent) : latent;
}

}  // namespace

Tensor prepare_noise(const Tensor& latent, uint64_t seed, const std::optional<std::vector<int64_t>>& batch_index) {
  check_latent("latent", latent);
  at::Generator generator = cpu_generator(seed);
  const auto options = latent.options().device(at::kCPU);
  if (!batch_index) {
    return at::randn(latent.sizes(), generator, options);
  }
  if (batch_index->empty()) {
    fail("prepare_noise: the batch index is empty; wanted one index an image");
  }
  constexpr int64_t kMaxIndex = 1 << 20;
  const auto [low, high] = std::minmax_element(batch_index->begin(), batch_index->end());
  if (*low < 0 || *high > kMaxIndex) {
    fail("prepare_noise: batch index {} is outside 0..{}", *low < 0 ? *low : *high, kMaxIndex);
  }
  std::vector<int64_t> one = latent.sizes().vec();
  one[0] = 1;
  std::vector<Tensor> images(batch_index->size());
  for (int64_t i = 0; i <= *high; ++i) {
    const Tensor noise = at::randn(one, generator, options);
    for (size_t k = 0; k < images.size(); ++k) {
      if ((*batch_index)[k] == i) {
        images[k] = noise;
      }
    }
  }
  return at::cat(images);
}

Sigmas ksampler_sigmas(const ModelSampling& model, std::string_view scheduler, std::string_view sampler, int64_t steps,
                       double denoise) {
  const auto schedule = [&](int64_t n) {
    const bool drop = drops_penultimate(sampler);
    Sigmas sigmas = make_sigmas(scheduler, model, n + (drop ? 1 : 0));
    if (drop && sigmas.size() >= 2) {
      sigmas.erase(sigmas.end() - 2);
    }
    return sigmas;
  };
  if (denoise > 0.9999) {
    return schedule(steps);
  }
  if (!(denoise > 0.0)) {
    return {};
  }
  Sigmas sigmas = schedule(static_cast<int64_t>(static_cast<double>(steps) / denoise));
  const size_t keep = static_cast<size_t>(steps + 1);
  return sigmas.size() <= keep ? sigmas : Sigmas(sigmas.end() - static_cast<std::ptrdiff_t>(keep), sigmas.end());
}

Tensor sample(const SampleRequest& r) {
  Sigmas sigmas = ksampler_sigmas(r.model.sampling, r.scheduler, r.sampler, r.steps, r.denoise);
  const auto last = [&] { return static_cast<int64_t>(sigmas.size()) - 1; };
  if (r.last_step && *r.last_step < last()) {
    sigmas.resize(static_cast<size_t>(std::max<int64_t>(*r.last_step, 0)) + 1);
    if (r.force_full_denoise) {
      sigmas.back() = 0.0f;
    }
  }
  if (r.start_step) {
    if (*r.start_step >= last()) {
      return r.latent_image.defined() ? r.latent_image : at::zeros_like(r.noise);
    }
    sigmas.erase(sigmas.begin(), sigmas.begin() + static_cast<std::ptrdiff_t>(std::max<int64_t>(*r.start_step, 0)));
  }
  return sample_custom({r.model, cfg_guide(r.positive, r.negative, r.cfg), make_sampler(r.sampler), std::move(sigmas),
                        r.noise, r.latent_image, r.noise_mask, r.seed, r.callback});
}

Tensor sample_custom(const CustomRequest& r) {
  check_latent("noise", r.noise);
  if (r.sigmas.empty()) {
    return r.latent_image.defined() ? r.latent_image : at::zeros_like(r.noise);
  }
  if (!r.sampler.run || !r.guide.begin) {
    fail("sample_custom: no sampler or no guide was given");
  }
  const Tensor noise = r.noise.to(at::kFloat);
  Tensor latent = at::zeros_like(noise);
  if (r.latent_image.defined()) {
    if (r.latent_image.sizes() != noise.sizes()) {
      fail("sample: the latent is {} but the noise is {}", shape_text(r.latent_image), shape_text(noise));
    }
    latent = r.latent_image.to(noise.device(), at::kFloat);
    if (latent.any().item<bool>()) {  // an empty latent stays zero in the model's scale too
      latent = converted(r.model.process_in, latent);
    }
  }

  const ModelSampling& sampling = r.model.sampling;
  Inpaint inpaint{r.model, r.sigmas, {}, noise, latent};
  if (r.noise_mask.defined()) {
    inpaint.mask = fit_noise_mask(r.noise_mask, latent);
    if (r.sampler.fresh_inpaint_noise) {
      inpaint.noise = prepare_noise(noise, r.seed + 1).to(noise.device());
    }
  }

  Denoiser denoiser = r.model.denoiser ? r.model.denoiser : make_denoiser(r.model.network, sampling, r.model.weights);
  for (const auto& wrap : r.model.patches.around_denoiser) denoiser = wrap(std::move(denoiser), sampling);
  const Predictor predictor(std::move(denoiser), r.model.inputs, sampling, r.guide.sides,
                            {.latent = latent, .noise = noise, .noise_mask = inpaint.mask, .seed = r.seed},
                            r.guide.positive);
  Guidance guidance = r.guide.begin(sampling, r.model.patches);
  for (const auto& wrap : r.model.patches.around_guidance) guidance = wrap(std::move(guidance), sampling);

  const float first = r.sigmas.front(), top = sampling.sigma_max();
  const bool from_top = first > top || std::abs(first - top) <= 1e-5f * std::max(first, top);
  const auto sigma = [&](float value) { return at::scalar_tensor(value, noise.options()); };
  Walk walk{
      .model = [&](const Tensor& x, float s,
                   Tensor* uncond) { return inpaint.after(guidance(predictor, inpaint.before(x, s), s, uncond), s); },
      .x = sampling.noise_scaling(sigma(first), noise, latent, from_top),
      .sigmas = r.sigmas,
      .sampling = sampling,
      .seed = r.seed,
      .options = r.sampler.options,
      .report =
          [&](int64_t step, const Tensor& x, const Tensor& denoised) {
            if (r.callback) {
              r.callback(step, static_cast<int64_t>(r.sigmas.size()) - 1, denoised, x);
            }
          },
  };
  const Tensor x = r.sampler.run(walk);  // which may have moved the last sigma
  return converted(r.model.process_out, sampling.inverse_noise_scaling(sigma(walk.sigmas.back()), x).to(at::kFloat));
}

}  // namespace easel
