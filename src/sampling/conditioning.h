// What a CONDITIONING socket carries: encoded prompts, each with where, when and how strongly it applies.
#pragma once
#include "tensor/aten.h"

namespace easel {

// A rectangle of the latent, in latent cells, or in fractions of the latent's size.
struct ConditioningArea {
  double height = 0, width = 0, y = 0, x = 0;
  bool is_fraction = false;
};

// A value: copies share their tensors, so nodes copy a list and change members freely.
struct Conditioning {
  Tensor cross_attn;                     // [1, T, D] (or [B, T, D])
  Tensor pooled;                         // [1, P] or undefined
  std::optional<ConditioningArea> area;  // the whole latent when absent
  double strength = 1.0;                 // weight against other entries of the same list
  Tensor mask;                           // [N, H, W] in 0..1, any size (scaled to the latent), or undefined
  double mask_strength = 1.0;
  bool area_from_mask = false;                       // restrict evaluation to the mask's bounding box
  std::optional<double> start_percent, end_percent;  // part of the schedule, 0 = first step, 1 = end
};

using ConditioningList = std::vector<Conditioning>;

}  // namespace easel
