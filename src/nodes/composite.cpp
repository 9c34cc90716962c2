#include "nodes/composite.h"

#include <algorithm>

#include "tensor/batch.h"

namespace easel {

Tensor mask_planes(const Tensor& mask, int64_t height, int64_t width) {
  const Tensor planes = mask.reshape({-1, 1, mask.size(-2), mask.size(-1)});
  return at::upsample_bilinear2d(planes, {height, width}, false);
}

Tensor composite(const Tensor& destination, const Tensor& source, const Placing& placing, const Tensor& mask) {
  const int64_t height = destination.size(2), width = destination.size(3);
  Tensor from = placing.resize_source ? at::upsample_bilinear2d(source, {height, width}, false) : source;
  from = to_batch(from, destination.size(0));
  const auto corner = [&](int64_t at, int64_t own, int64_t whole) {
    return std::clamp(at, -own * placing.cell, whole * placing.cell) / placing.cell;
  };
  const int64_t left = corner(placing.x, from.size(3), width), top = corner(placing.y, from.size(2), height);
  const int64_t columns = std::clamp<int64_t>(width - left, 0, from.size(3));
  const int64_t rows = std::clamp<int64_t>(height - top, 0, from.size(2));
  const auto visible = [&](const Tensor& t) { return t.narrow(2, 0, rows).narrow(3, 0, columns); };

  Tensor made = destination.clone();
  Tensor place = made.narrow(2, top, rows).narrow(3, left, columns);
  if (mask.defined()) {
    const Tensor weight = visible(to_batch(mask_planes(mask, from.size(2), from.size(3)), from.size(0)));
    place.copy_(weight * visible(from) + (1 - weight) * place);
  } else {
    place.copy_(visible(from));
  }
  return made;
}

}  // namespace easel
