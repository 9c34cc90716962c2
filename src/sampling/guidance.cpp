#include "sampling/guidance.h"

#include <cmath>

namespace easel {
namespace {

bool is_one(double cfg) { return std::abs(cfg - 1.0) <= 1e-9 * std::max(std::abs(cfg), 1.0); }

// The patches of one run.
class Run {
 public:
  Run(const ModelSampling& sampling, const GuidancePatches& patches) : sampling_(sampling), patches_(patches) {
    for (const auto& begin : patches.before) {
      before_.push_back(begin());
    }
  }

  bool keeps_negative() const { return patches_.keep_negative; }

  // cond and uncond to the guided prediction; `uncond` may be undefined if it was not predicted.
  Tensor mix(const Predictor& predictor, const Tensor& x, float sigma, double cfg, const Tensor& cond,
             const Tensor& uncond, Tensor* uncond_out, bool with_before = true) const {
    Guided step{predictor, sampling_, x, sigma, cfg, cond, uncond.defined() ? uncond : at::zeros_like(x)};
    if (with_before) {
      for (const auto& change : before_) {
        change(step);
      }
    }
    if (uncond_out) {
      *uncond_out = step.uncond;
    }
    return finish(step, patches_.mix ? patches_.mix(step) : step.uncond + (step.cond - step.uncond) * cfg);
  }

  Tensor finish(const Guided& step, Tensor denoised) const {
    for (const auto& change : patches_.after) {
      denoised = change(step, denoised);
    }
    return denoised;
  }

  const ModelSampling& sampling() const { return sampling_; }

 private:
  ModelSampling sampling_;
  GuidancePatches patches_;
  std::vector<GuidancePatches::Before> before_;
};

template <class F>
Guide guide(std::vector<ConditioningList> sides, F step) {
  return {std::move(sides), [step](const ModelSampling& sampling, const GuidancePatches& patches) -> Guidance {
            return
                [step, run = Run(sampling, patches)](const Predictor& predict, const Tensor& x, float sigma,
                                                     Tensor* uncond) { return step(run, predict, x, sigma, uncond); };
          }};
}

}  // namespace

Guide cfg_guide(ConditioningList positive, ConditioningList negative, double cfg) {
  return guide({std::move(positive), std::move(negative)},
               [cfg](const Run& run, const Predictor& predict, const Tensor& x, float sigma, Tensor* uncond) {
                 const bool both = uncond || run.keeps_negative() || !is_one(cfg);
                 const std::vector<Tensor> out = predict(x, sigma, {true, both});
                 return run.mix(predict, x, sigma, cfg, out[0], out[1], uncond);
               });
}

Guide basic_guide(ConditioningList positive) { return cfg_guide(std::move(positive), {}, 1.0); }

Guide dual_cfg_guide(ConditioningList cond1, ConditioningList cond2, ConditioningList negative, double cfg_conds,
                     double cfg_cond2_negative, bool nested) {
  std::vector<ConditioningList> sides{std::move(negative), std::move(cond2), std::move(cond1)};
  Guide made = guide(
      std::move(sides), [=](const Run& run, const Predictor& predict, const Tensor& x, float sigma, Tensor* uncond) {
        const bool always = nested || uncond || run.keeps_negative();
        const bool with_negative = always || !is_one(cfg_cond2_negative);
        const std::vector<Tensor> out = predict(x, sigma, {with_negative, with_negative || !is_one(cfg_conds), true});
        const auto given = [&](size_t side) { return out[side].defined() ? out[side] : at::zeros_like(x); };
        if (nested) {
          const Tensor text = run.mix(predict, x, sigma, cfg_conds, out[2], out[1], uncond, false);
          return out[0] + cfg_cond2_negative * (text - out[0]);
        }
        return run.mix(predict, x, sigma, cfg_cond2_negative, given(1), out[0], uncond, false) +
               (out[2] - given(1)) * cfg_conds;
      });
  made.positive = 2;
  return made;
}

Tensor perp_neg(const Tensor& positive, const Tensor& negative, const Tensor& empty, double cfg, double neg_scale) {
  const Tensor pos = positive - empty, neg = negative - empty;
  const Tensor parallel = (neg * pos).sum() / pos.norm().square() * pos;
  return empty + cfg * (pos - (neg - parallel) * neg_scale);
}

Guide perp_neg_guide(ConditioningList positive, ConditioningList negative, ConditioningList empty, double cfg,
                     double neg_scale) {
  std::vector<ConditioningList> sides{std::move(positive), std::move(negative), std::move(empty)};
  return guide(std::move(sides),
               [=](const Run& run, const Predictor& predict, const Tensor& x, float sigma, Tensor* uncond) {
                 const std::vector<Tensor> out = predict(x, sigma, {true, true, true});
                 if (uncond) {
                   *uncond = out[1];
                 }
                 return run.finish({predict, run.sampling(), x, sigma, cfg, out[0], out[1]},
                                   perp_neg(out[0], out[1], out[2], cfg, neg_scale));
               });
}

}  // namespace easel
