#include <immintrin.h>

#include <cstdint>

#define EASEL_INLINE inline __attribute__((always_inline))

namespace easel::kernels {
namespace {

constexpr int kLanes = 16;

struct Vec {
  __m512 v;
};

struct Whole {};
struct Part {
  explicit Part(int n) : mask(static_cast<__mmask16>((1u << n) - 1)) {}
  __mmask16 mask;
};

EASEL_INLINE Vec set1(float x) { return {_mm512_set1_ps(x)}; }
EASEL_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
EASEL_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
EASEL_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
EASEL_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// A NaN in the second operand stays one.
EASEL_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
EASEL_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
EASEL_INLINE float sum_lanes(Vec a) { return _mm512_reduce_add_ps(a.v); }
EASEL_INLINE float max_lanes(Vec a) { return _mm512_reduce_max_ps(a.v); }
EASEL_INLINE float first(Vec a) { return _mm512_cvtss_f32(a.v); }

EASEL_INLINE Vec bounded(Vec x) { return x; }                                           // scalef saturates by itself
EASEL_INLINE Vec fraction(Vec x) { return {_mm512_reduce_ps(x.v, 1)}; }                 // x - floor(x)
EASEL_INLINE Vec scale_exponent(Vec p, Vec x) { return {_mm512_scalef_ps(p.v, x.v)}; }  // p * 2^floor(x)

template <bool exact>
EASEL_INLINE Vec reciprocal(Vec x) {
  if constexpr (exact) return {_mm512_div_ps(_mm512_set1_ps(1), x.v)};
  return {_mm512_rcp14_ps(x.v)};
}

EASEL_INLINE __m512 widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }

EASEL_INLINE Vec load(const float* p, Whole, float = 0) { return {_mm512_loadu_ps(p)}; }
EASEL_INLINE Vec load(const float* p, Part n, float rest = 0) {
  return {_mm512_mask_loadu_ps(_mm512_set1_ps(rest), n.mask, p)};
}
EASEL_INLINE Vec load(const uint16_t* p, Whole, float = 0) {
  return {widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
EASEL_INLINE Vec load(const uint16_t* p, Part n, float rest = 0) {
  return {_mm512_mask_mov_ps(_mm512_set1_ps(rest), n.mask, widen(_mm256_maskz_loadu_epi16(n.mask, p)))};
}

EASEL_INLINE __m256i narrow(Vec a) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v)); }

EASEL_INLINE void store(float* p, Vec a, Whole) { _mm512_storeu_ps(p, a.v); }
EASEL_INLINE void store(float* p, Vec a, Part n) { _mm512_mask_storeu_ps(p, n.mask, a.v); }
EASEL_INLINE void store(uint16_t* p, Vec a, Whole) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a)); }
EASEL_INLINE void store(uint16_t* p, Vec a, Part n) { _mm256_mask_storeu_epi16(p, n.mask, narrow(a)); }
EASEL_INLINE void store_bytes(uint8_t* p, Vec a, Whole) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(a.v)));
}
EASEL_INLINE void store_bytes(uint8_t* p, Vec a, Part n) {
  _mm_mask_storeu_epi8(p, n.mask, _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(a.v)));
}
EASEL_INLINE void store_pair(float* p, Vec a, Vec b) {
  store(p, a, Whole{});
  store(p + kLanes, b, Whole{});
}
EASEL_INLINE void store_pair(uint16_t* p, Vec a, Vec b) {
  _mm512_storeu_si512(p, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b.v, a.v)));
}

}  // namespace
}  // namespace easel::kernels

#include "tensor/kernels/simd_loops.h"

namespace easel::kernels {

const Simd* simd_avx512() {
  static constexpr Simd loops{"avx512", kLoops<float>, kLoops<Bf16>};
  const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512bf16");
  return has ? &loops : nullptr;
}

}  // namespace easel::kernels
