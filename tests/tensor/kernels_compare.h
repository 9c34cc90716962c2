// What the kernel tests share: random inputs, the instruction sets to go through, and errors against float64.
#pragma once
#include <gtest/gtest.h>

#include "tensor/aten.h"
#include "tensor/kernels/simd.h"

namespace easel::kernels {

inline std::vector<const Simd*> every_simd() {
  std::vector<const Simd*> all{&simd_plain()};
  if (simd_avx2()) all.push_back(simd_avx2());
  if (simd_avx512()) all.push_back(simd_avx512());
  return all;
}

// Runs the body once for every instruction set this machine has, then goes back to the fastest.
template <class F>
void for_every_simd(F body) {
  const Simd& before = simd();
  for (const Simd* loops : every_simd()) {
    SCOPED_TRACE(loops->name);
    use_simd(*loops);
    body();
  }
  use_simd(before);
}

inline Tensor random(at::IntArrayRef shape, at::ScalarType dtype, int64_t seed = 1) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(shape, generator, at::kFloat).to(dtype);
}

inline Tensor wide(const Tensor& x) { return x.to(at::kDouble); }

// Largest |got - want| against atol + rtol |want|; NaN and infinities must agree.
inline void expect_close(const Tensor& got, const Tensor& want, double atol, double rtol) {
  ASSERT_EQ(got.sizes(), want.sizes());
  const Tensor g = wide(got), w = wide(want);
  EXPECT_TRUE(at::allclose(g, w, rtol, atol, true))
      << "largest difference " << (g - w).abs().nan_to_num().max().item<double>() << ", largest value "
      << w.abs().nan_to_num().max().item<double>();
}

// Half a unit in the last place of the dtype, relative.
inline double rounding(at::ScalarType dtype) { return dtype == at::kBFloat16 ? 1.0 / 256 : 1.0 / (1 << 23); }

}  // namespace easel::kernels
