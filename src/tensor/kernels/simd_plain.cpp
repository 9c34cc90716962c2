// The loops in plain C++: four lanes, which any compiler turns into SSE2 or NEON. Also what the others are tested with.
#include <cmath>
#include <cstdint>

#define EASEL_INLINE inline __attribute__((always_inline))

namespace easel::kernels {
namespace {

constexpr int kLanes = 4;

struct Vec {
  float v[kLanes];
};

struct Whole {};
struct Part {
  explicit Part(int count) : n(count) {}
  int n;
};

EASEL_INLINE int count(Whole) { return kLanes; }
EASEL_INLINE int count(Part part) { return part.n; }

template <class F>
EASEL_INLINE Vec lanes(F f) {
  return {f(0), f(1), f(2), f(3)};
}

EASEL_INLINE Vec set1(float x) { return {x, x, x, x}; }
EASEL_INLINE Vec operator+(Vec a, Vec b) {
  return lanes([&](int i) { return a.v[i] + b.v[i]; });
}
EASEL_INLINE Vec operator-(Vec a, Vec b) {
  return lanes([&](int i) { return a.v[i] - b.v[i]; });
}
EASEL_INLINE Vec operator*(Vec a, Vec b) {
  return lanes([&](int i) { return a.v[i] * b.v[i]; });
}
EASEL_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
// A NaN in the second operand stays one.
EASEL_INLINE Vec max(Vec a, Vec b) {
  return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
EASEL_INLINE Vec min(Vec a, Vec b) {
  return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
EASEL_INLINE float first(Vec a) { return a.v[0]; }
EASEL_INLINE float sum_lanes(Vec a) { return (a.v[0] + a.v[1]) + (a.v[2] + a.v[3]); }
EASEL_INLINE float max_lanes(Vec a) {
  const float x = a.v[0] > a.v[1] ? a.v[0] : a.v[1], y = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
  return x > y ? x : y;
}

// Where 2^x is 0 or infinite by its exponent bits alone.
EASEL_INLINE Vec bounded(Vec x) { return max(set1(-127), min(set1(128), x)); }
EASEL_INLINE Vec fraction(Vec x) {
  return lanes([&](int i) { return x.v[i] - std::floor(x.v[i]); });
}
EASEL_INLINE Vec scale_exponent(Vec p, Vec x) {
  return lanes([&](int i) {
    if (x.v[i] != x.v[i]) return x.v[i];
    const auto exponent = static_cast<uint32_t>(static_cast<int32_t>(std::floor(x.v[i])) + 127);
    return p.v[i] * __builtin_bit_cast(float, exponent << 23);
  });
}

template <bool>
EASEL_INLINE Vec reciprocal(Vec x) {
  return lanes([&](int i) { return 1 / x.v[i]; });
}

EASEL_INLINE float widen(float x) { return x; }
EASEL_INLINE float widen(uint16_t x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x) << 16); }

EASEL_INLINE void narrow(float x, float& y) { y = x; }
// To the nearest even; a NaN stays a NaN.
EASEL_INLINE void narrow(float x, uint16_t& y) {
  const auto bits = __builtin_bit_cast(uint32_t, x);
  y = x != x ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <class T>
EASEL_INLINE Vec load(const T* p, Whole, float = 0) {
  return lanes([&](int i) { return widen(p[i]); });
}
template <class T>
EASEL_INLINE Vec load(const T* p, Part part, float rest = 0) {
  return lanes([&](int i) { return i < part.n ? widen(p[i]) : rest; });
}
template <class T>
EASEL_INLINE void store(T* p, Vec a, Whole) {
  for (int i = 0; i < kLanes; ++i) narrow(a.v[i], p[i]);
}
template <class T>
EASEL_INLINE void store(T* p, Vec a, Part part) {
  for (int i = 0; i < part.n; ++i) narrow(a.v[i], p[i]);
}
template <class Span>
EASEL_INLINE void store_bytes(uint8_t* p, Vec a, Span span) {
  for (int i = 0; i < count(span); ++i) p[i] = static_cast<uint8_t>(std::nearbyint(a.v[i]));
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

constexpr Simd kPlain{"plain", kLoops<float>, kLoops<Bf16>};

const Simd& simd_plain() { return kPlain; }

}  // namespace easel::kernels
