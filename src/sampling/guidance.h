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

// Adds y and concat ([1 or B, C', H, W] of the whole latent) to a call, from one conditioning. Asked once a run.
using ExtraInputs = std::function<void(const Conditioning&, const Tensor& latent, DenoiseInput&)>;

// input scaling, network, prediction -> denoised
Denoiser make_denoiser(Network network, ModelSampling sampling);

class Guidance {
 public:
  // latent: [B, C, H, W], the shape that areas and masks are resolved against. extra may be empty.
  Guidance(Denoiser denoiser, const ExtraInputs& extra, const ModelSampling& sampling, const ConditioningList& positive,
           const ConditioningList& negative, double cfg, const Tensor& latent);

  // x: [B, C, H, W] at noise level sigma. Returns uncond + cfg * (cond - uncond) (Ho & Salimans 2022). With cfg 1 the
  // negative side is skipped, unless `uncond` asks for it: then *uncond is the negative side's own prediction.
  Tensor operator()(const Tensor& x, float sigma, Tensor* uncond = nullptr) const;

 private:
  struct Area {  // latent cells
    int64_t height, width, y, x;
    bool operator==(const Area&) const = default;
  };
  // A conditioning resolved against the latent and the schedule.
  struct Entry {
    Tensor context, concat, y;  // first dimension B; concat over the whole latent
    std::optional<Area> area;
    Tensor weight;  // [B or 1, 1, h, w] over the area; undefined: the plain number `strength`
    double strength = 1.0;
    double start_sigma = 0, end_sigma = 0;  // active while end <= sigma <= start
    bool active(float sigma) const { return sigma <= start_sigma && sigma >= end_sigma; }
  };
  struct Pending {
    const Entry* entry;
    int side;
    Tensor x;  // the entry's part of the latent
  };

  Entry resolve(const Conditioning& cond, const ExtraInputs& extra, const ModelSampling& sampling,
                const Tensor& latent) const;
  static void match_areas(std::vector<Entry>& entries, const std::vector<Entry>& others);
  static bool can_batch(const Pending& a, const Pending& b);
  Tensor call(const std::vector<Pending>& batch, float sigma) const;

  Denoiser denoiser_;
  std::vector<Entry> sides_[2];  // positive, negative
  double cfg_;
};

}  // namespace easel
