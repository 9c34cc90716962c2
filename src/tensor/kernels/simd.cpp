#include "tensor/kernels/simd.h"

namespace easel::kernels {

namespace {

const Simd* fastest() {
  if (const Simd* found = simd_avx512()) return found;
  if (const Simd* found = simd_avx2()) return found;
  return &simd_plain();
}

const Simd*& chosen() {
  static const Simd* loops = fastest();
  return loops;
}

}  // namespace

const Simd& simd() { return *chosen(); }

void use_simd(const Simd& loops) { chosen() = &loops; }

template <>
const Loops<float>& loops<float>() {
  return simd().f32;
}

template <>
const Loops<Bf16>& loops<Bf16>() {
  return simd().bf16;
}

}  // namespace easel::kernels
