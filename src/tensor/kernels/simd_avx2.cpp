#include <immintrin.h>

#include <cstdint>

#define EASEL_INLINE inline __attribute__((always_inline))

namespace easel::kernels {
namespace {

constexpr int kLanes = 8;

struct Vec {
  __m256 v;
};

struct Whole {};
struct Part {
  explicit Part(int count) : n(count) {}
  int n;
};

EASEL_INLINE int count(Whole) { return kLanes; }
EASEL_INLINE int count(Part part) { return part.n; }

EASEL_INLINE Vec set1(float x) { return {_mm256_set1_ps(x)}; }
EASEL_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
EASEL_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
EASEL_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
EASEL_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
// A NaN in the second operand stays one.
EASEL_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
EASEL_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
EASEL_INLINE float first(Vec a) { return _mm256_cvtss_f32(a.v); }
EASEL_INLINE float sum_lanes(Vec a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
EASEL_INLINE float max_lanes(Vec a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

// Where 2^x is 0 or infinite by its exponent bits alone.
EASEL_INLINE Vec bounded(Vec x) { return max(set1(-127), min(set1(128), x)); }
EASEL_INLINE Vec fraction(Vec x) { return {_mm256_sub_ps(x.v, _mm256_floor_ps(x.v))}; }
EASEL_INLINE Vec scale_exponent(Vec p, Vec x) {
  const __m256i n = _mm256_cvtps_epi32(_mm256_floor_ps(x.v));
  const __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23);
  const __m256 unordered = _mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q);
  return {_mm256_or_ps(unordered, _mm256_mul_ps(p.v, _mm256_castsi256_ps(bits)))};
}

template <bool>
EASEL_INLINE Vec reciprocal(Vec x) {
  return {_mm256_div_ps(_mm256_set1_ps(1), x.v)};
}

EASEL_INLINE Vec widen(__m128i x) { return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16))}; }

// To the nearest even; a NaN stays a NaN.
EASEL_INLINE __m128i narrow(Vec a) {
  const __m256i bits = _mm256_castps_si256(a.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  rounded = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), is_nan);
  const __m256i halves = _mm256_srli_epi32(rounded, 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}

EASEL_INLINE Vec load(const float* p, Whole, float = 0) { return {_mm256_loadu_ps(p)}; }
EASEL_INLINE Vec load(const uint16_t* p, Whole, float = 0) {
  return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
EASEL_INLINE void store(float* p, Vec a, Whole) { _mm256_storeu_ps(p, a.v); }
EASEL_INLINE void store(uint16_t* p, Vec a, Whole) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(a)); }

EASEL_INLINE Vec load(const float* p, Part part, float rest = 0) {
  float all[kLanes];
  for (int i = 0; i < kLanes; ++i) all[i] = i < part.n ? p[i] : rest;
  return load(all, Whole{});
}
EASEL_INLINE Vec load(const uint16_t* p, Part part, float rest = 0) {
  float all[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    all[i] = i < part.n ? __builtin_bit_cast(float, static_cast<uint32_t>(p[i]) << 16) : rest;
  }
  return load(all, Whole{});
}
template <class T>
EASEL_INLINE void store(T* p, Vec a, Part part) {
  T all[kLanes];
  store(all, a, Whole{});
  for (int i = 0; i < part.n; ++i) p[i] = all[i];
}
template <class Span>
EASEL_INLINE void store_bytes(uint8_t* p, Vec a, Span span) {
  int32_t all[kLanes];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(all), _mm256_cvtps_epi32(a.v));
  for (int i = 0; i < count(span); ++i) p[i] = static_cast<uint8_t>(all[i]);
}
template <class T>
EASEL_INLINE void store_pair(T* p, Vec a, Vec b) {
  store(p, a, Whole{});
  store(p + kLanes, b, Whole{});
}

}  // namespace
}  // namespace easel::kernels

#include "tensor/kernels/simd_loops.h"

namespace easel::kernels {

const Simd* simd_avx2() {
  static constexpr Simd loops{"avx2", kLoops<float>, kLoops<Bf16>};
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &loops : nullptr;
}

}  // namespace easel::kernels
