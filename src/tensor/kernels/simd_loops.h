// The element loops, written once over a vector type: each simd_<set>.cpp includes this after defining `Vec` and its
// operations. All of it in an unnamed namespace, for no copy may be shared between instruction sets.
//   kLanes floats a Vec; Whole and Part say how many of them a load or a store touches.
//   set1 load store store_pair store_bytes + - * fma max min bounded fraction scale_exponent reciprocal sum_lanes
//   max_lanes first
#pragma once
#include "tensor/kernels/simd.h"

namespace easel::kernels {
namespace {

constexpr float kLog2e = 1.44269504f;
constexpr float kInfinity = __builtin_inff();

// bfloat16 keeps 8 bits: cheaper polynomials do for it.
template <class T>
constexpr bool kExact = sizeof(T) == 4;

// 2^x by a minimax polynomial of the fraction: relative error 2e-9 before rounding, or 8e-5.
template <bool exact>
EASEL_INLINE Vec exp2(Vec x) {
  x = bounded(x);
  const Vec f = fraction(x);
  Vec p;
  if constexpr (exact) {
    p = fma(set1(2.1702255e-4f), f, set1(1.2439688e-3f));
    p = fma(p, f, set1(9.6788406e-3f));
    p = fma(p, f, set1(5.5483341e-2f));
    p = fma(p, f, set1(0.24022983f));
    p = fma(p, f, set1(0.693147f));
    p = fma(p, f, set1(1.0f));
  } else {
    p = fma(set1(0.078024514f), f, set1(0.22606717f));
    p = fma(p, f, set1(0.69583356f));
    p = fma(p, f, set1(0.9999252f));
  }
  return scale_exponent(p, x);
}

template <bool exact>
EASEL_INLINE Vec sigmoid(Vec x) {
  return reciprocal<exact>(exp2<exact>(x * set1(-kLog2e)) + set1(1.0f));
}

template <int n>
EASEL_INLINE Vec horner(Vec x, const float (&c)[n]) {
  Vec p = set1(c[n - 1]);
#pragma GCC unroll 20
  for (int i = n - 2; i >= 0; --i) p = fma(p, x, set1(c[i]));
  return p;
}

// erf(x) = x P(w), w = 2 (x / limit)^2 - 1, x held within the limit; absolute error 3e-7, or 8e-6. The
// constant term is a little large and the result clamped, so that it is exactly 1 from the limit on.
template <bool exact>
EASEL_INLINE Vec erf(Vec x) {
  constexpr float limit = exact ? 3.92f : 3.3f;
  constexpr float fine[] = {0.360736857f,   -0.180108637f,   0.134084269f,   -0.109178498f,
                            0.0906023085f,  -0.0740301684f,  0.0583584942f,  -0.0433746837f,
                            0.0298208371f,  -0.0201804396f,  0.014004888f,   -0.00737194251f,
                            0.00208712602f, -0.00161869812f, 0.00204576482f, -0.000775410503f};
  constexpr float coarse[] = {0.428137133f,  -0.211642906f,   0.152070671f,  -0.114454217f,
                              0.0841234773f, -0.0592621639f,  0.0365435667f, -0.0178333931f,
                              0.0111864498f, -0.00947289169f, 0.00363589008f};
  const Vec t = max(set1(-limit), min(set1(limit), x));
  const Vec w = fma(t * t, set1(2 / (limit * limit)), set1(-1.0f));
  Vec p;
  if constexpr (exact) {
    p = horner(w, fine);
  } else {
    p = horner(w, coarse);
  }
  return max(set1(-1), min(set1(1), t * p));
}

template <Gate gate, bool exact>
EASEL_INLINE Vec apply(Vec x) {
  if constexpr (gate == Gate::kSilu) {
    return x * sigmoid<exact>(x);
  } else if constexpr (gate == Gate::kQuickGelu) {
    return x * sigmoid<exact>(x * set1(1.702f));
  } else if constexpr (gate == Gate::kGelu) {
    const Vec half = x * set1(0.5f);
    return fma(half, erf<exact>(x * set1(0.707106781f)), half);
  } else {
    return x;
  }
}

// f(index, Whole or Part) over 0..n by vectors.
template <class F>
EASEL_INLINE void for_vectors(int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, Whole{});
  if (i < n) f(i, Part(static_cast<int>(n - i)));
}

// The greatest score of a row; with a mask the scores become scale * score + mask on the way.
template <bool masked>
EASEL_INLINE float row_maximum(float* s, const float* mask, int64_t n, float scale) {
  Vec m[4] = {set1(-kInfinity), set1(-kInfinity), set1(-kInfinity), set1(-kInfinity)};
  int64_t i = 0;
  if constexpr (!masked) {
    for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
      for (int j = 0; j < 4; ++j) m[j] = max(m[j], load(s + i + j * kLanes, Whole{}));
    }
  }
  for_vectors(n - i, [&](int64_t k, auto span) {
    Vec x = load(s + i + k, span, -kInfinity);
    if constexpr (masked) {
      x = fma(x, set1(scale), load(mask + i + k, span));
      store(s + i + k, x, span);
    }
    m[0] = max(m[0], x);
  });
  return max_lanes(max(max(m[0], m[1]), max(m[2], m[3])));
}

// Scores to 2^((score - shift) * factor), written over them as T; the sum of all.
template <class T, bool masked>
EASEL_INLINE float row_exponentials(const float* s, T* p, int64_t n, float shift, float factor) {
  const Vec scale = set1(factor), from = set1(masked ? shift : -shift * factor);
  const auto value = [&](Vec x) {  // subtracting first keeps scores near the end of float's range apart
    if constexpr (masked) return exp2<kExact<T>>((x - from) * scale);
    return exp2<kExact<T>>(fma(x, scale, from));
  };
  Vec sum[2] = {set1(0), set1(0)};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const Vec a = value(load(s + i, Whole{})), b = value(load(s + i + kLanes, Whole{}));
    sum[0] = sum[0] + a;
    sum[1] = sum[1] + b;
    store_pair(p + i, a, b);
  }
  for_vectors(n - i, [&](int64_t k, auto span) {
    const Vec a = value(load(s + i + k, span, -kInfinity));
    sum[0] = sum[0] + a;
    store(p + i + k, a, span);
  });
  return sum_lanes(sum[0] + sum[1]);
}

template <class T, bool masked>
void softmax_rows(const SoftmaxBlock& b) {
  const float factor = masked ? kLog2e : b.scale * kLog2e;
  for (int64_t r = 0; r < b.rows; ++r) {
    float* s = b.scores + r * b.ld;
    T* p = reinterpret_cast<T*>(s);
    const int64_t seen = b.visible + r < b.cols ? (b.visible + r < 0 ? 0 : b.visible + r) : b.cols;
    const float* mask = masked ? b.mask + r * b.mask_ld : nullptr;
    const float before = b.max[r], here = row_maximum<masked>(s, mask, seen, b.scale);
    const float now = here > before ? here : before;
    const float shift = now == -kInfinity ? 0 : now;  // nothing seen so far: every probability is 0
    const float sum = row_exponentials<T, masked>(s, p, seen, shift, factor);
    for_vectors(b.padded_cols - seen, [&](int64_t k, auto span) { store(p + seen + k, set1(0), span); });
    float kept = 1;
    if (now != before) {
      kept = before == -kInfinity ? 0 : first(exp2<true>(set1((before - now) * factor)));
      float* out = b.out + r * b.out_ld;
      if (before != -kInfinity) {
        for_vectors(b.out_cols, [&](int64_t c, auto span) { store(out + c, load(out + c, span) * set1(kept), span); });
      }
    }
    b.max[r] = now;
    b.sum[r] = b.sum[r] * kept + sum;
  }
}

template <class T>
void softmax(const SoftmaxBlock& b) {
  b.mask ? softmax_rows<T, true>(b) : softmax_rows<T, false>(b);
}

template <class T>
void divide_rows(const float* x, int64_t ld, int64_t rows, int64_t cols, const float* sum, T* y, int64_t ld_y) {
  for (int64_t r = 0; r < rows; ++r) {
    const Vec factor = set1(sum[r] == 0 ? 0 : 1 / sum[r]);
    for_vectors(cols,
                [&](int64_t c, auto span) { store(y + r * ld_y + c, load(x + r * ld + c, span) * factor, span); });
  }
}

template <class T>
void moments(const T* x, int64_t rows, int64_t channels, const float* pivot, float* sum, float* squares) {
  for (int64_t r = 0; r < rows; r += 4) {  // four rows at a time: the sums travel to memory once
    const int64_t n = rows - r < 4 ? rows - r : 4;
    for_vectors(channels, [&](int64_t c, auto span) {
      const Vec from = load(pivot + c, span);
      Vec s = load(sum + c, span), q = load(squares + c, span);
      for (int64_t k = 0; k < n; ++k) {
        const Vec d = load(x + (r + k) * channels + c, span) - from;
        s = s + d;
        q = fma(d, d, q);
      }
      store(sum + c, s, span);
      store(squares + c, q, span);
    });
  }
}

template <class T, Gate gate>
EASEL_INLINE void affine_rows(const T* x, int64_t rows, int64_t channels, const float* scale, const float* shift,
                              T* y) {
  for (int64_t r = 0; r < rows; ++r, x += channels, y += channels) {
    for_vectors(channels, [&](int64_t c, auto span) {
      const Vec v = fma(load(x + c, span), load(scale + c, span), load(shift + c, span));
      store(y + c, apply<gate, kExact<T>>(v), span);
    });
  }
}

template <class T>
void affine(const T* x, int64_t rows, int64_t channels, const float* scale, const float* shift, bool silu, T* y) {
  silu ? affine_rows<T, Gate::kSilu>(x, rows, channels, scale, shift, y)
       : affine_rows<T, Gate::kNone>(x, rows, channels, scale, shift, y);
}

template <class T>
void layer_norm(const T* x, int64_t rows, int64_t channels, const float* weight, const float* bias, float eps, T* y) {
  for (int64_t r = 0; r < rows; ++r, x += channels, y += channels) {
    Vec sum = set1(0), squares = set1(0);
    for_vectors(channels, [&](int64_t c, auto span) { sum = sum + load(x + c, span); });
    const float mean = sum_lanes(sum) / channels;
    for_vectors(channels, [&](int64_t c, auto span) {
      const Vec d = load(x + c, span, mean) - set1(mean);
      squares = fma(d, d, squares);
    });
    const Vec scale = set1(1 / __builtin_sqrtf(sum_lanes(squares) / channels + eps)), from = set1(mean);
    for_vectors(channels, [&](int64_t c, auto span) {
      const Vec normal = (load(x + c, span) - from) * scale;
      store(y + c, fma(normal, load(weight + c, span), load(bias + c, span)), span);
    });
  }
}

template <class T>
void geglu(const T* x, int64_t rows, int64_t half, T* y) {
  for (int64_t r = 0; r < rows; ++r, x += 2 * half, y += half) {
    for_vectors(half, [&](int64_t c, auto span) {
      store(y + c, load(x + c, span) * apply<Gate::kGelu, kExact<T>>(load(x + half + c, span)), span);
    });
  }
}

template <class T, Gate gate>
EASEL_INLINE void gate_all(const T* x, int64_t n, T* y) {
  for_vectors(n, [&](int64_t i, auto span) { store(y + i, apply<gate, kExact<T>>(load(x + i, span)), span); });
}

template <class T>
void unary(Gate gate, const T* x, int64_t n, T* y) {
  switch (gate) {
    case Gate::kNone:
      return gate_all<T, Gate::kNone>(x, n, y);
    case Gate::kSilu:
      return gate_all<T, Gate::kSilu>(x, n, y);
    case Gate::kGelu:
      return gate_all<T, Gate::kGelu>(x, n, y);
    case Gate::kQuickGelu:
      return gate_all<T, Gate::kQuickGelu>(x, n, y);
  }
}

template <class T>
void range(const T* x, int64_t n, float* least, float* greatest) {
  Vec low = set1(0), high = set1(0);
  for_vectors(n, [&](int64_t i, auto span) {
    const Vec v = load(x + i, span);
    low = min(low, v);
    high = max(high, v);
  });
  *least = -max_lanes(set1(0) - low);
  *greatest = max_lanes(high);
}

template <class T>
void to_bytes(const T* x, int64_t n, float factor, float zero, uint8_t* y) {
  for_vectors(n, [&](int64_t i, auto span) {
    const Vec v = fma(load(x + i, span), set1(factor), set1(zero));
    store_bytes(y + i, max(set1(0), min(set1(255), v)), span);
  });
}

template <class T>
constexpr Loops<T> kLoops{softmax<T>, divide_rows<T>, moments<T>, affine<T>,  layer_norm<T>,
                          geglu<T>,   unary<T>,       range<T>,   to_bytes<T>};

}  // namespace
}  // namespace easel::kernels
