#include "models/merge.h"

#include "base/log.h"

namespace easel {

namespace {

Patches merge_patches(const Weights& first, const Weights& second, const MergeRule& rule) {
  Patches patches;
  for (const auto& name : second.names()) {
    const auto mine = first.find(name);
    if (!mine) continue;
    const auto share = rule(name);
    if (share.keep == 1 && share.add == 0) continue;
    const auto other = second[name];
    if (mine->sizes() != other.sizes()) {
      log::warn("merged: '{}' differs in shape between '{}' and '{}' and is not merged", name, first.origin(),
                second.origin());
      continue;
    }
    patches[name] = {Patch([share, other](const Tensor& weight) {
      return share.add == 0 ? weight * share.keep : weight * share.keep + other.once(at::kFloat) * share.add;
    })};
  }
  return patches;
}

}  // namespace

Model merged(const Model& first, const Model& second, const MergeRule& rule) {
  return first.with_patches(merge_patches(first.weights(), second.weights(), rule));
}

Clip merged(const Clip& first, const Clip& second, const MergeRule& rule) {
  return first.with_patches(merge_patches(first.weights(), second.weights(), rule));
}

}  // namespace easel
