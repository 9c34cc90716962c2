// In place of simd_avx2.cpp and simd_avx512.cpp on other processors.
#include "tensor/kernels/simd.h"

namespace easel::kernels {

const Simd* simd_avx2() { return nullptr; }

const Simd* simd_avx512() { return nullptr; }

}  // namespace easel::kernels
