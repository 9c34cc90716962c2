#include "tensor/kernels/attention.h"

#include <ATen/native/CPUBlas.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "tensor/kernels/profile.h"
#include "tensor/kernels/simd.h"
#include "tensor/kernels/stock.h"

namespace easel::kernels {

namespace {

namespace blas = at::native::cpublas;

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// bfloat16 products need AVX-512; asking is the only way to know what this build of oneDNN makes of this processor.
bool has_bf16_products() {
  static const bool has = [] {
    at::BFloat16 a[32] = {}, b[32] = {};
    float c[1];
    try {
      blas::brgemm(1, 1, 32, 32, 1, 1, false, a, b, c, true);
      blas::brgemm_release();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return has;
}

// How one call is cut up. Products work on `Mul`; B matrices lie packed, for bfloat16 in pairs of rows (VNNI).
struct Plan {
  int64_t batch, heads, lq, lk, dim;
  int64_t rows;      // queries a task
  int64_t keys;      // keys a block
  int64_t key_step;  // a block's keys are padded to this
  int64_t depth;     // dim padded for q k^T
  int64_t width;     // dim padded for p v
  bool causal;
  float scale;

  int64_t key_blocks() const { return (lk + keys - 1) / keys; }
  int64_t query_blocks() const { return (lq + rows - 1) / rows; }
  int64_t packed_keys() const { return (key_blocks() - 1) * keys + round_up(lk - (key_blocks() - 1) * keys, key_step); }
};

template <class Mul>
Plan make_plan(const Tensor& q, const Tensor& k, int64_t heads, bool causal) {
  constexpr bool is_bf16 = std::is_same_v<Mul, at::BFloat16>;
  const bool amx = is_bf16 && blas::could_pack(at::kBFloat16);  // its tiles are 16 rows of 32 bfloat16
  const int64_t dim = q.size(2) / heads;
  Plan plan{.batch = q.size(0), .heads = heads, .lq = q.size(1), .lk = k.size(1), .dim = dim, .causal = causal};
  plan.key_step = amx ? 32 : 16;
  plan.depth = round_up(dim, amx ? 32 : is_bf16 ? 2 : 1);
  plan.width = round_up(dim, 16);
  plan.keys = 512;  // 256 KB of scores, which the second-level cache keeps
  plan.rows = std::min<int64_t>(128, round_up(plan.lq, 16));
  plan.scale = 1 / std::sqrt(static_cast<float>(dim));
  return plan;
}

// Where element (row, column) of a packed B matrix with `ld` columns lies.
template <class Mul>
int64_t packed_index(int64_t row, int64_t column, int64_t ld) {
  if constexpr (std::is_same_v<Mul, at::BFloat16>) return (row / 2 * ld + column) * 2 + row % 2;
  return row * ld + column;
}

// k [keys, dim] -> k^T, packed: [depth, padded]
template <class In, class Mul>
void pack_keys(const In* k, int64_t ld, int64_t keys, int64_t padded, const Plan& plan, Mul* out) {
  std::memset(static_cast<void*>(out), 0, sizeof(Mul) * plan.depth * padded);
  constexpr int64_t step = sizeof(Mul) == 2 ? 2 : 1;  // pairs move as one word
  for (int64_t first = 0; first < keys; first += 16) {
    const int64_t end = std::min(first + 16, keys);
    int64_t d = 0;
    for (; d + step <= plan.dim; d += step) {
      Mul* row = out + packed_index<Mul>(d, 0, padded);
      for (int64_t j = first; j < end; ++j) {
        if constexpr (std::is_same_v<In, Mul>) {
          std::memcpy(static_cast<void*>(row + j * step), k + j * ld + d, sizeof(Mul) * step);
        } else {
          row[j] = static_cast<Mul>(k[j * ld + d]);
        }
      }
    }
    for (; d < plan.dim; ++d) {
      for (int64_t j = first; j < end; ++j) out[packed_index<Mul>(d, j, padded)] = static_cast<Mul>(k[j * ld + d]);
    }
  }
}

// v [keys, dim] -> packed: [padded, width]
template <class In, class Mul>
void pack_values(const In* v, int64_t ld, int64_t keys, int64_t padded, const Plan& plan, Mul* out) {
  std::memset(static_cast<void*>(out), 0, sizeof(Mul) * padded * plan.width);
  for (int64_t j = 0; j < keys; ++j) {
    Mul* row = out + packed_index<Mul>(j, 0, plan.width);
    constexpr int64_t step = sizeof(Mul) == 2 ? 2 : 1;
    for (int64_t d = 0; d < plan.dim; ++d) row[d * step] = static_cast<Mul>(v[j * ld + d]);
  }
}

template <class T>
struct Rows {  // a [B, L, H*D] tensor with a dense last dimension
  const T* data;
  int64_t batch_stride, row_stride, dim;
  explicit Rows(const Tensor& x, int64_t heads)
      : data(x.const_data_ptr<T>()), batch_stride(x.stride(0)), row_stride(x.stride(1)), dim(x.size(2) / heads) {}
  const T* at(int64_t batch, int64_t head, int64_t row) const {
    return data + batch * batch_stride + row * row_stride + head * dim;
  }
};

struct Mask {  // float32, expanded to [B, H, Lq, Lk] with a dense last dimension
  const float* data = nullptr;
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;
  const float* at(int64_t batch, int64_t head, int64_t row, int64_t column) const {
    return data ? data + batch * batch_stride + head * head_stride + row * row_stride + column : nullptr;
  }
};

// What one thread works in.
template <class Mul>
struct Scratch {
  Tensor memory;
  Mul* q;
  float *scores, *out, *max, *sum;
  int64_t ld;  // of scores: not a power of two, for the cache's sake

  explicit Scratch(const Plan& p) : ld(p.keys + 16) {
    const int64_t q_floats = round_up(p.rows * p.depth, 16);
    memory = at::empty({q_floats + p.rows * (ld + p.width + 2)}, at::kFloat);
    float* at = memory.data_ptr<float>();
    q = reinterpret_cast<Mul*>(at);
    scores = at + q_floats;
    out = scores + p.rows * ld;
    max = out + p.rows * p.width;
    sum = max + p.rows;
  }
};

void multiply(int64_t m, int64_t n, int64_t k, int64_t ld_a, int64_t ld_b, int64_t ld_c, bool add, const float* a,
              const float* b, float* c) {
  blas::brgemm(m, n, k, ld_a, ld_b, ld_c, add, a, b, c, false);
}

void multiply(int64_t m, int64_t n, int64_t k, int64_t ld_a, int64_t ld_b, int64_t ld_c, bool add,
              const at::BFloat16* a, const at::BFloat16* b, float* c) {
  blas::brgemm(m, n, k, ld_a, ld_b, ld_c, add, a, b, c, true);
}

template <class T>
using Bits = std::conditional_t<std::is_same_v<T, float>, float, Bf16>;

// The attention of `count` queries of one head, from `first` on.
template <class In, class Mul>
void attend(const Plan& p, const Scratch<Mul>& s, const In* q, int64_t ld_q, int64_t first, int64_t count,
            const Mul* keys, const Mul* values, const Mask& mask, int64_t batch, int64_t head, In* out,
            int64_t ld_out) {
  const int64_t rows = round_up(count, 16);
  std::memset(static_cast<void*>(s.q), 0, sizeof(Mul) * rows * p.depth);
  for (int64_t r = 0; r < count; ++r) std::copy_n(q + r * ld_q, p.dim, s.q + r * p.depth);
  std::fill_n(s.max, rows, -INFINITY);
  std::fill_n(s.sum, rows, 0.0f);
  const int64_t end = p.causal ? std::min(p.lk, first + count) : p.lk;
  for (int64_t key = 0; key < end; key += p.keys) {
    const int64_t cols = std::min(p.keys, p.lk - key), padded = round_up(cols, p.key_step);
    multiply(rows, padded, p.depth, p.depth, padded, s.ld, false, s.q, keys + key * p.depth, s.scores);
    loops<Bits<Mul>>().softmax({.scores = s.scores,
                                .ld = s.ld,
                                .rows = count,
                                .cols = cols,
                                .padded_cols = padded,
                                .visible = p.causal ? first - key + 1 : cols,
                                .scale = p.scale,
                                .mask = mask.at(batch, head, first, key),
                                .mask_ld = mask.row_stride,
                                .max = s.max,
                                .sum = s.sum,
                                .out = s.out,
                                .out_ld = p.width,
                                .out_cols = p.width});
    const int64_t ld_p = s.ld * static_cast<int64_t>(sizeof(float) / sizeof(Mul));
    multiply(rows, p.width, padded, ld_p, p.width, p.width, key > 0, reinterpret_cast<const Mul*>(s.scores),
             values + key * p.width, s.out);
  }
  loops<Bits<In>>().divide_rows(s.out, p.width, count, p.dim, s.sum, reinterpret_cast<Bits<In>*>(out), ld_out);
}

template <class In, class Mul>
Tensor blocked_attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, const Mask& mask,
                         bool causal) {
  const Plan p = make_plan<Mul>(q, k, heads, causal);
  const Rows<In> qs(q, heads), ks(k, heads), vs(v, heads);
  const auto options = at::TensorOptions().dtype(c10::CppTypeToScalarType<Mul>::value);
  const Tensor packed_keys = at::empty({p.batch * heads, p.packed_keys() * p.depth}, options);
  const Tensor packed_values = at::empty({p.batch * heads, p.packed_keys() * p.width}, options);
  Mul* const key_data = packed_keys.data_ptr<Mul>();
  Mul* const value_data = packed_values.data_ptr<Mul>();
  at::parallel_for(0, p.batch * heads * p.key_blocks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t bh = task / p.key_blocks(), key = task % p.key_blocks() * p.keys;
      const int64_t cols = std::min(p.keys, p.lk - key), padded = round_up(cols, p.key_step);
      pack_keys(ks.at(bh / heads, bh % heads, key), ks.row_stride, cols, padded, p,
                key_data + (bh * p.packed_keys() + key) * p.depth);
      pack_values(vs.at(bh / heads, bh % heads, key), vs.row_stride, cols, padded, p,
                  value_data + (bh * p.packed_keys() + key) * p.width);
    }
  });
  Tensor out = at::empty(q.sizes(), q.options());
  In* const out_data = out.data_ptr<In>();
  at::parallel_for(0, p.batch * heads * p.query_blocks(), 1, [&](int64_t begin, int64_t end) {
    const Scratch<Mul> scratch(p);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t bh = task / p.query_blocks(), first = task % p.query_blocks() * p.rows;
      const int64_t batch = bh / heads, head = bh % heads;
      attend<In, Mul>(p, scratch, qs.at(batch, head, first), qs.row_stride, first, std::min(p.rows, p.lq - first),
                      key_data + bh * p.packed_keys() * p.depth, value_data + bh * p.packed_keys() * p.width, mask,
                      batch, head, out_data + (batch * p.lq + first) * heads * p.dim + head * p.dim, heads * p.dim);
    }
    if (std::is_same_v<Mul, at::BFloat16>) blas::brgemm_release();
  });
  return out;
}

Tensor split_heads(const Tensor& x, int64_t heads) {
  return x.unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
}

Tensor dense_rows(const Tensor& x) { return x.stride(2) == 1 ? x : x.contiguous(); }

// The mask as [B or 1, heads or 1, Lq or 1, Lk or 1].
Tensor four_dimensions(const Tensor& mask, const Tensor& q, const Tensor& k, int64_t heads) {
  const Tensor m = mask.dim() == 2 ? mask.unsqueeze(0).unsqueeze(0) : mask.dim() == 3 ? mask.unsqueeze(1) : mask;
  const std::array<int64_t, 4> want{q.size(0), heads, q.size(1), k.size(1)};
  bool fits = m.dim() == 4;
  for (int i = 0; fits && i < 4; ++i) fits = m.size(i) == 1 || m.size(i) == want[i];
  if (!fits) fail("attention: mask {} does not broadcast to [{}]", c10::str(mask.sizes()), fmt::join(want, ", "));
  return m;
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, const std::optional<Tensor>& mask,
                 bool causal) {
  if (q.dim() != 3 || k.dim() != 3 || k.sizes() != v.sizes() || q.size(0) != k.size(0) || q.size(2) != k.size(2) ||
      heads < 1 || q.size(2) % heads != 0 || q.scalar_type() != k.scalar_type() || q.scalar_type() != v.scalar_type()) {
    fail(
        "attention: q {} {}, k {} {}, v {} {} with {} heads; wanted [B, Lq, H*D], [B, Lk, H*D], [B, Lk, H*D] of one "
        "dtype",
        c10::str(q.sizes()), c10::toString(q.scalar_type()), c10::str(k.sizes()), c10::toString(k.scalar_type()),
        c10::str(v.sizes()), c10::toString(v.scalar_type()), heads);
  }
  const Timed timed(4.0 * q.numel() * k.size(1), [&] {
    return fmt::format("attention {}x{}x{}/{}x{}", q.size(0), heads, q.size(1), k.size(1), q.size(2) / heads);
  });
  std::optional<Tensor> bias;
  if (mask) bias = four_dimensions(*mask, q, k, heads);
  const bool is_bf16 = q.scalar_type() == at::kBFloat16;
  if (uses_stock_operators() || !q.is_cpu() || !(is_bf16 || q.scalar_type() == at::kFloat)) {
    if (bias && bias->scalar_type() != at::kBool) bias = bias->to(q.scalar_type());
    return at::scaled_dot_product_attention(split_heads(q, heads), split_heads(k, heads), split_heads(v, heads), bias,
                                            0.0, causal)
        .transpose(1, 2)
        .reshape(q.sizes());
  }
  if (q.numel() == 0 || k.numel() == 0) return at::zeros_like(q, q.options(), at::MemoryFormat::Contiguous);
  Mask added;
  Tensor values;  // owns what `added` points to
  if (bias) {
    values = bias->scalar_type() == at::kBool ? at::zeros(bias->sizes()).masked_fill_(bias->logical_not(), -INFINITY)
                                              : bias->to(at::kFloat);
    values = values.expand({values.size(0), values.size(1), values.size(2), k.size(1)}).contiguous();
    const auto stride = [&](int64_t i) { return values.size(i) == 1 ? 0 : values.stride(i); };
    added = {values.const_data_ptr<float>(), stride(0), stride(1), stride(2)};
  }
  const Tensor qd = dense_rows(q), kd = dense_rows(k), vd = dense_rows(v);
  if (!is_bf16) return blocked_attention<float, float>(qd, kd, vd, heads, added, causal);
  if (!has_bf16_products()) return blocked_attention<at::BFloat16, float>(qd, kd, vd, heads, added, causal);
  return blocked_attention<at::BFloat16, at::BFloat16>(qd, kd, vd, heads, added, causal);
}

}  // namespace easel::kernels
