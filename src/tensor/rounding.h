// Rounding to 8-bit floats up or down by chance, so that small patches to such weights are not lost on average.
#pragma once
#include "tensor/aten.h"

namespace easel {

// x in any float dtype -> kFloat8_e4m3fn or kFloat8_e5m2. Reproducible: the chances come from libtorch's CPU generator
// seeded by `seed`, as ComfyUI does it for patched weights, in float16.
Tensor round_by_chance(const Tensor& x, at::ScalarType dtype, uint32_t seed);

// The seed that belongs to a weight's name: its CRC-32.
uint32_t seed_of(const std::string& name);

}  // namespace easel
