// Mixing the weights of two models, or of two text encoders.
#pragma once
#include "models/model.h"

namespace easel {

// How much of the first stays, and of the second is added, by a weight's name ("diffusion_model.…"): first * keep +
// second * add.
struct MergeShare {
  double keep = 1, add = 0;
};
using MergeRule = std::function<MergeShare(const std::string& name)>;

Model merged(const Model& first, const Model& second, const MergeRule& rule);
Clip merged(const Clip& first, const Clip& second, const MergeRule& rule);

}  // namespace easel
