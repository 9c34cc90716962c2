#include "nn/embedding.h"

#include <cmath>

#include "base/error.h"

namespace easel::nn {

Tensor Embedding::operator()(const Tensor& ids, at::ScalarType dtype) const {
  if (ids.numel() && (ids.min().item<int64_t>() < 0 || ids.max().item<int64_t>() >= rows())) {
    fail("Embedding: '{}' has {} rows, id {} came; perhaps the vocabulary belongs to another model", weight.name(),
         rows(), ids.max().item<int64_t>());
  }
  auto shape = ids.sizes().vec();
  shape.push_back(width());
  return weight.rows(ids.flatten()).to(dtype).view(shape);
}

Tensor timestep_embedding(const Tensor& t, int64_t width, double max_period) {
  const int64_t half = width / 2;
  const auto frequencies = at::exp(at::arange(half, t.options().dtype(at::kFloat)) * (-std::log(max_period) / half));
  const auto angles = t.to(at::kFloat).unsqueeze(1) * frequencies;
  auto embedding = at::cat({at::cos(angles), at::sin(angles)}, 1);
  return width % 2 ? at::constant_pad_nd(embedding, {0, 1}) : embedding;
}

}  // namespace easel::nn
