#include "nn/norm.h"

#include "base/error.h"
#include "tensor/kernels/norm.h"

namespace easel::nn {

GroupNorm::GroupNorm(const Weights& w, double eps, int64_t groups)
    : weight(w["weight"]), bias(w["bias"]), eps(eps), groups(groups) {
  if (weight.size(0) % groups)
    fail("GroupNorm: '{}' has {} channels, no multiple of {}", weight.name(), weight.size(0), groups);
}

Tensor GroupNorm::operator()(const Tensor& x) const {
  return kernels::group_norm(x, groups, weight.as(at::kFloat, x.device()), bias.as(at::kFloat, x.device()), eps);
}

Tensor GroupNorm::silu(const Tensor& x, const Tensor& offset) const {
  return kernels::group_norm(x, groups, weight.as(at::kFloat, x.device()), bias.as(at::kFloat, x.device()), eps, true,
                             offset);
}

LayerNorm::LayerNorm(const Weights& w, double eps) : weight(w["weight"]), bias(w["bias"]), eps(eps) {}

Tensor LayerNorm::operator()(const Tensor& x) const {
  return kernels::layer_norm(x, weight.as(at::kFloat, x.device()), bias.as(at::kFloat, x.device()), eps);
}

}  // namespace easel::nn
