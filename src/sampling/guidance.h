// Classifier-free guidance over lists of conditionings: which model calls are made, batched how, and how they are
// combined.
#pragma once
#include "sampling/conditioning.h"
#include "sampling/model_sampling.h"
#include "sampling/network.h"

namespace easel {

// One model call in sigma space.
struct DenoiseInput {
  Tensor x;      // [B, C, H, W] noisy latent, unscaled
  Tensor sigma;  // [B] float32
  Tensor context, concat, y;
  std::vector<int> sides;  // one per B / batch: 0 positive, 1 negative
};
using Denoiser = std::function<Tensor(const DenoiseInput&)>;  // the denoised latent, [B, C, H, W]

// Fills y and concat of a call from one conditioning; x is the noisy latent of that call.
using ExtraInputs = std::function<void(const Conditioning&, const Tensor& x, DenoiseInput&)>;

Denoiser make_denoiser(Network network, ModelSampling sampling);

class Guidance {
 public:
  // latent: [B, C, H, W], the shape areas and masks are resolved against.
  Guidance(Denoiser denoiser, ExtraInputs extra, const ModelSampling& sampling, const ConditioningList& positive,
           const ConditioningList& negative, double cfg, const Tensor& latent);

  // x: [B, C, H, W] at noise level sigma. Returns denoised. With cfg 1 the negative side is skipped, unless `uncond`
  // asks for it: then *uncond is the negative side's own prediction.
  Tensor operator()(const Tensor& x, float sigma, Tensor* uncond = nullptr) const;

 private:
  struct Entry {  // a conditioning resolved against the latent and the schedule
    Conditioning cond;
    int64_t y = 0, x = 0, height = 0, width = 0;  // the area in latent cells
    bool has_area = false;
    Tensor mask;  // [B, H, W], mask strength included, or undefined
    double start_sigma = 0, end_sigma = 0;
    bool timed = false;
  };

  std::vector<Entry> resolve(const ConditioningList& list, const ModelSampling& sampling, const Tensor& latent) const;

  Denoiser denoiser_;
  ExtraInputs extra_;
  std::vector<Entry> sides_[2];  // positive, negative
  double cfg_;
};

}  // namespace easel
