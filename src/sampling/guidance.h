// Guidance: how the predictions for several prompts become one, and what models lay over that.
#pragma once
#include "sampling/predictor.h"
#include "sampling/schedulers.h"

namespace easel {

// One step as patches see it. Tensors are [B, C, H, W]; a prediction is the denoised latent.
struct Guided {
  const Predictor& predictor;
  const ModelSampling& sampling;
  const Tensor& x;  // noisy, unscaled
  float sigma;
  double cfg;
  Tensor cond, uncond;  // uncond is zeros where it was not asked for
};

// One run's guidance: x at sigma to the denoised latent; *uncond, if asked for, gets the negative side's own
// prediction.
using Guidance = std::function<Tensor(const Predictor&, const Tensor& x, float sigma, Tensor* uncond)>;

// What nodes change about a model's guidance. A value: copied with the model, added to in the copy.
struct GuidancePatches {
  using Mix = std::function<Tensor(const Guided&)>;
  using Before = std::function<void(Guided&)>;
  using After = std::function<Tensor(const Guided&, const Tensor& denoised)>;

  Mix mix;  // in place of uncond + cfg (cond - uncond)
  // Change cond and uncond before they are mixed. Made anew for every run, as some remember the step before.
  std::vector<std::function<Before()>> before;
  std::vector<After> after;    // change the result
  bool keep_negative = false;  // predict the negative side at cfg 1, too
  // Around a run's calls of the model, and around its guidance; made anew for every run.
  std::vector<std::function<Denoiser(Denoiser, const ModelSampling&)>> around_denoiser;
  std::vector<std::function<Guidance(Guidance, const ModelSampling&)>> around_guidance;
  // The mask of what is repainted ([B, C, H, W], 1 = repaint), changed for a step of the run along `sigmas`.
  std::function<Tensor(const Tensor& mask, float sigma, const Sigmas& sigmas, const ModelSampling&)> mask;
};

// What a GUIDER does with its prompts.
struct Guide {
  std::vector<ConditioningList> sides;
  std::function<Guidance(const ModelSampling&, const GuidancePatches&)> begin;
  size_t positive = 0;  // which side is
};

// Classifier-free guidance (Ho & Salimans 2022): uncond + cfg (cond - uncond). The negative side is skipped at cfg 1.
Guide cfg_guide(ConditioningList positive, ConditioningList negative, double cfg);
// No guidance.
Guide basic_guide(ConditioningList positive);
// Two positive prompts (Brooks et al. 2023, "InstructPix2Pix", section 3.2.1); nested: the second guides what the first
// two gave.
Guide dual_cfg_guide(ConditioningList cond1, ConditioningList cond2, ConditioningList negative, double cfg_conds,
                     double cfg_cond2_negative, bool nested);
// Only what of the negative prompt is perpendicular to the positive one (Armandpour et al. 2023, "Perp-Neg").
Guide perp_neg_guide(ConditioningList positive, ConditioningList negative, ConditioningList empty, double cfg,
                     double neg_scale);
// The same combination of predictions, for a patch's mix.
Tensor perp_neg(const Tensor& positive, const Tensor& negative, const Tensor& empty, double cfg, double neg_scale);

}  // namespace easel
