// Making two batches of one length.
#pragma once
#include "tensor/aten.h"

namespace easel {

// t repeated (or cut) along its first dimension until it has `batch` entries.
inline Tensor to_batch(const Tensor& t, int64_t batch) {
  if (t.size(0) == batch) return t;
  std::vector<int64_t> times(t.dim(), 1);
  times[0] = (batch + t.size(0) - 1) / t.size(0);
  return t.repeat(times).narrow(0, 0, batch);
}

}  // namespace easel
