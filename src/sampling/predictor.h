// Predictions of a denoiser for lists of conditionings: which model calls are made, batched how, and how areas and
// masks are put together.
#pragma once
#include "sampling/model_inputs.h"
#include "sampling/model_sampling.h"
#include "sampling/network.h"

namespace easel {

// One model call in sigma space.
struct DenoiseInput {
  Tensor x;      // [B, C, H, W] noisy latent, unscaled
  Tensor sigma;  // [B] float32
  Tensor context, concat, y;
  std::vector<int> sides;  // one per B / batch: which list it is for
  Controls controls;       // in the order they add to the call
};
using Denoiser = std::function<Tensor(const DenoiseInput&)>;  // the denoised latent, [B, C, H, W]

// input scaling, controls, network, prediction -> denoised
Denoiser make_denoiser(Network network, ModelSampling sampling, std::function<Weights()> base = {});

class Predictor {
 public:
  // sides: lists of conditionings that are predicted together; positive: which of them is. Areas and masks are resolved
  // against the shape of run.latent. inputs may be empty.
  Predictor(Denoiser denoiser, MakeInputs inputs, ModelSampling sampling, const std::vector<ConditioningList>& sides,
            RunFacts run, size_t positive = 0);

  // The denoised latent for every wanted side, [B, C, H, W]; the others stay undefined. x: [B, C, H, W] at noise level
  // sigma.
  std::vector<Tensor> operator()(const Tensor& x, float sigma, const std::vector<bool>& wanted) const;
  // The same for one more list.
  Tensor operator()(const Tensor& x, float sigma, const ConditioningList& list) const;

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
    Controls controls;
    std::shared_ptr<const Control> gligen;
    bool control_negative_too = false;
    bool active(float sigma) const { return sigma <= start_sigma && sigma >= end_sigma; }
  };
  using Side = std::vector<Entry>;
  struct Pending {
    const Entry* entry;
    int side;
    Tensor x;  // the entry's part of the latent
  };

  // Kept from step to step: networks remember what they made of the very tensors they were given.
  struct Joined {
    std::vector<const Entry*> of;
    Tensor context, concat, y;
  };

  Entry resolve(const Conditioning& cond, bool negative) const;
  Side resolve(const ConditioningList& list, bool negative) const;
  static void match_areas(Side& entries, const Side& others);
  static void share_controls(Side& entries, const Side& positive);
  static bool can_batch(const Pending& a, const Pending& b);
  Joined join(const std::vector<Pending>& batch) const;
  // keep: the entries live as long as this, so what was joined of them may be kept.
  Tensor call(const std::vector<Pending>& batch, float sigma, bool keep) const;
  std::vector<Tensor> predict(const std::vector<const Side*>& sides, const Tensor& x, float sigma, bool keep) const;

  Denoiser denoiser_;
  MakeInputs inputs_;
  ModelSampling sampling_;
  RunFacts run_;
  std::vector<Side> sides_;
  mutable std::vector<Joined> joined_;
};

}  // namespace easel
