// The reproducible pseudo-random tensors of the parity kit: element i of the tensor called NAME is
//   mean + std * sqrt(3) * (2 u - 1),  u = (splitmix64(fnv1a64(NAME) + (i + 1) * 0x9E3779B97F4A7C15) >> 40) / 2^24
// computed in float64 and rounded once to the dtype.
#pragma once
#include <bit>
#include <cmath>

#include "tensor/aten.h"

namespace easel::parity {

inline uint64_t fnv1a64(const std::string& text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001B3u;
  return hash;
}

inline double formula_element(uint64_t name_hash, int64_t i, double mean, double scaled_std) {
  uint64_t z = name_hash + static_cast<uint64_t>(i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return mean + scaled_std * (2.0 * (static_cast<double>(z >> 40) / (1 << 24)) - 1.0);
}

// To float32 with the last bit set where the value is not exact (rounding to odd), so that a second rounding, to
// float16, falls as one rounding of the double would.
inline float round_to_odd(double value) {
  float near = static_cast<float>(value);
  if (static_cast<double>(near) == value) return near;
  auto bits = std::bit_cast<uint32_t>(near);
  if (std::abs(static_cast<double>(near)) > std::abs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

// float32 or float16, row-major.
inline Tensor formula(const std::string& name, at::IntArrayRef shape, double mean = 0, double std = 1,
                      at::ScalarType dtype = at::kFloat) {
  auto tensor = at::empty(shape, dtype);
  const auto hash = fnv1a64(name);
  const double scaled = std * std::sqrt(3.0);
  at::parallel_for(0, tensor.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double value = formula_element(hash, i, mean, scaled);
      if (dtype == at::kFloat) {
        tensor.data_ptr<float>()[i] = static_cast<float>(value);
      } else {
        tensor.data_ptr<at::Half>()[i] = round_to_odd(value);
      }
    }
  });
  return tensor;
}

}  // namespace easel::parity
