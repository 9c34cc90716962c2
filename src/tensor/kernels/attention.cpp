#include "tensor/kernels/attention.h"

#include <cmath>

#include "base/error.h"

namespace easel::kernels {

namespace {

Tensor split_heads(const Tensor& x, int64_t heads) {
  return x.unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, const std::optional<Tensor>& mask,
                 bool causal) {
  if (q.dim() != 3 || k.dim() != 3 || k.sizes() != v.sizes() || q.size(0) != k.size(0) || q.size(2) != k.size(2) ||
      heads < 1 || q.size(2) % heads != 0) {
    fail("attention: q {}, k {}, v {} with {} heads; wanted [B, Lq, H*D], [B, Lk, H*D], [B, Lk, H*D]",
         c10::str(q.sizes()), c10::str(k.sizes()), c10::str(v.sizes()), heads);
  }
  std::optional<Tensor> bias;
  if (mask) {
    bias = mask->dim() == 3 ? mask->unsqueeze(1) : *mask;
    if (bias->scalar_type() != at::kBool) bias = bias->to(q.scalar_type());
  }
  Tensor out = at::scaled_dot_product_attention(split_heads(q, heads), split_heads(k, heads), split_heads(v, heads),
                                                bias, 0.0, causal);
  return out.transpose(1, 2).reshape(q.sizes());
}

}  // namespace easel::kernels
