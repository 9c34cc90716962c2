#include "tensor/kernels/norm.h"

namespace easel::kernels {

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps, bool silu,
                  const Tensor& offset) {
  Tensor in = x;
  if (offset.defined()) {
    in = x + offset.view(x.dim() == 4 ? std::vector<int64_t>{x.size(0), x.size(1), 1, 1} : offset.sizes().vec());
  }
  std::optional<Tensor> w, b;
  if (weight.defined()) w = weight.to(x.scalar_type());
  if (bias.defined()) b = bias.to(x.scalar_type());
  Tensor out = at::group_norm(in, groups, w, b, eps);
  return silu ? at::silu(out) : out;
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  std::optional<Tensor> w, b;
  if (weight.defined()) w = weight.to(x.scalar_type());
  if (bias.defined()) b = bias.to(x.scalar_type());
  return at::layer_norm(x, {x.size(-1)}, w, b, eps);
}

Tensor geglu(const Tensor& x) {
  auto halves = x.chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

Tensor silu(const Tensor& x) { return at::silu(x); }

Tensor gelu(const Tensor& x) { return at::gelu(x); }

Tensor quick_gelu(const Tensor& x) { return x * at::sigmoid(x * 1.702); }

}  // namespace easel::kernels
