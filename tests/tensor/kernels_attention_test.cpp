#include "base/error.h"
#include "kernels_compare.h"
#include "tensor/kernels/attention.h"

namespace easel::kernels {
namespace {

const std::vector<at::ScalarType> kDtypes{at::kFloat, at::kBFloat16};

Tensor by_head(const Tensor& x, int64_t heads) {
  return wide(x).unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
}

// softmax(q k^T / sqrt(D) + mask) v in float64; what may attend to nothing is zero.
Tensor reference(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, Tensor mask = {},
                 bool causal = false) {
  Tensor s = at::matmul(by_head(q, heads), by_head(k, heads).transpose(-1, -2)) / std::sqrt(double(q.size(2) / heads));
  const double hidden = -std::numeric_limits<double>::infinity();
  if (mask.defined()) {
    if (mask.dim() == 3) mask = mask.unsqueeze(1);
    s = mask.scalar_type() == at::kBool ? s.masked_fill(mask.logical_not(), hidden) : s + wide(mask);
  }
  if (causal) s = s.masked_fill(at::ones({q.size(1), k.size(1)}, at::kBool).tril().logical_not(), hidden);
  return at::matmul(at::softmax(s, -1).nan_to_num(0.0), by_head(v, heads)).transpose(1, 2).reshape(q.sizes());
}

void expect_attention(const Tensor& got, const Tensor& want) {
  const bool is_bf16 = got.scalar_type() == at::kBFloat16;
  expect_close(got, want, is_bf16 ? 6e-3 : 2e-6, is_bf16 ? 8e-3 : 2e-6);
}

struct Shape {
  int64_t batch, heads, lq, lk, dim;
};

struct Inputs {
  Tensor q, k, v;
  Inputs(const Shape& s, at::ScalarType dtype)
      : q(random({s.batch, s.lq, s.heads * s.dim}, dtype, 1)),
        k(random({s.batch, s.lk, s.heads * s.dim}, dtype, 2)),
        v(random({s.batch, s.lk, s.heads * s.dim}, dtype, 3)) {}
};

TEST(KernelsAttention, EveryHeadSizeAndLength) {
  const std::vector<Shape> shapes{{1, 1, 1, 1, 1},      {2, 3, 5, 7, 8},      {1, 2, 77, 77, 64},
                                  {2, 2, 64, 64, 12},   {1, 2, 130, 77, 40},  {1, 2, 100, 600, 80},
                                  {1, 1, 33, 515, 160}, {1, 1, 70, 300, 512}, {2, 1, 1, 1025, 128},
                                  {1, 3, 17, 19, 5},    {1, 1, 64, 1, 40},    {1, 1, 3, 513, 33}};
  for_every_simd([&] {
    for (const auto dtype : kDtypes) {
      for (const Shape& s : shapes) {
        SCOPED_TRACE(fmt::format("{}x{}x{}/{}x{}", s.batch, s.heads, s.lq, s.lk, s.dim));
        const Inputs in(s, dtype);
        const Tensor got = attention(in.q, in.k, in.v, s.heads);
        EXPECT_EQ(got.scalar_type(), dtype);
        EXPECT_TRUE(got.is_contiguous());
        expect_attention(got, reference(in.q, in.k, in.v, s.heads));
      }
    }
  });
}

TEST(KernelsAttention, CausalHidesWhatComesLater) {
  for_every_simd([] {
    for (const auto dtype : kDtypes) {
      for (const Shape& s :
           {Shape{2, 2, 77, 77, 64}, Shape{1, 1, 600, 600, 16}, Shape{1, 2, 90, 40, 8}, Shape{1, 1, 40, 90, 8}}) {
        const Inputs in(s, dtype);
        expect_attention(attention(in.q, in.k, in.v, s.heads, {}, true),
                         reference(in.q, in.k, in.v, s.heads, {}, true));
      }
    }
  });
}

TEST(KernelsAttention, MasksOfEveryShape) {
  const Shape s{2, 3, 37, 530, 24};
  for_every_simd([&] {
    for (const auto dtype : kDtypes) {
      const Inputs in(s, dtype);
      const Tensor full = random({s.batch, s.heads, s.lq, s.lk}, at::kFloat, 4);
      for (const Tensor& mask :
           {full, full[0][0], full.select(1, 0), full.slice(0, 0, 1), full.slice(1, 0, 1), full.slice(2, 0, 1),
            full.slice(3, 0, 1), full.select(1, 1).slice(1, 0, 1), full.to(dtype), full > 0, (full > 0.5)[0][0]}) {
        SCOPED_TRACE(c10::str(mask.sizes()));
        expect_attention(attention(in.q, in.k, in.v, s.heads, mask), reference(in.q, in.k, in.v, s.heads, mask));
        expect_attention(attention(in.q, in.k, in.v, s.heads, mask, true),
                         reference(in.q, in.k, in.v, s.heads, mask, true));
      }
    }
  });
}

TEST(KernelsAttention, ARowThatSeesNothingIsZero) {
  for (const auto dtype : kDtypes) {
    const Inputs in({1, 2, 4, 600, 8}, dtype);
    Tensor mask = at::ones({4, 600}, at::kBool);
    mask[1].fill_(false);
    mask[2].slice(0, 0, 520).fill_(false);  // nothing in the first block of keys
    const Tensor got = attention(in.q, in.k, in.v, 2, mask);
    expect_attention(got, reference(in.q, in.k, in.v, 2, mask));
    EXPECT_EQ(got[0][1].abs().max().item<float>(), 0);
  }
}

TEST(KernelsAttention, TheLowestFiniteMaskAveragesLikeAnyConstant) {
  for (const auto dtype : kDtypes) {
    const Inputs in({1, 1, 3, 20, 8}, dtype);
    const Tensor mask = at::full({3, 20}, std::numeric_limits<float>::lowest());
    expect_attention(attention(in.q, in.k, in.v, 1, mask), wide(in.v).mean(1, true).expand({1, 3, 8}));
  }
}

TEST(KernelsAttention, SlicesOfAWiderTensorAreReadInPlace) {
  for (const auto dtype : kDtypes) {
    const Tensor qkv = random({2, 50, 3 * 48}, dtype);
    const auto parts = qkv.chunk(3, -1);
    expect_attention(attention(parts[0], parts[1], parts[2], 4), reference(parts[0], parts[1], parts[2], 4));
    const Tensor turned = random({48, 2, 50}, dtype).permute({1, 2, 0});
    expect_attention(attention(turned, parts[1], parts[2], 4), reference(turned, parts[1], parts[2], 4));
  }
}

TEST(KernelsAttention, HugeTinyAndInfiniteScores) {
  for_every_simd([] {
    for (const auto dtype : kDtypes) {
      for (const double scale : {1e-20, 30.0, 1e4}) {
        const Inputs in({1, 2, 20, 40, 16}, dtype);
        const Tensor q = in.q * scale;
        const Tensor got = attention(q, in.k, in.v, 2);
        EXPECT_TRUE(got.isfinite().all().item<bool>());
        // At 1e4 one key wins unless two scores lie within rounding of each other: float32 tells them apart less well.
        if (scale < 100) expect_attention(got, reference(q, in.k, in.v, 2));
      }
      Inputs in({1, 1, 4, 8, 16}, dtype);
      in.k[0][3].fill_(std::numeric_limits<float>::infinity());
      const Tensor got = attention(in.q.abs(), in.k, in.v, 1);
      EXPECT_TRUE(got.isnan().all().item<bool>()) << "an infinite score leaves no number, as in softmax itself";
    }
  });
}

TEST(KernelsAttention, RefusesWhatDoesNotFit) {
  const Tensor x = at::zeros({1, 4, 12});
  EXPECT_THROW(attention(x, x, x, 5), Error);
  EXPECT_THROW(attention(x, at::zeros({1, 4, 8}), at::zeros({1, 4, 8}), 2), Error);
  EXPECT_THROW(attention(x, x, at::zeros({1, 5, 12}), 2), Error);
  EXPECT_THROW(attention(x, x.to(at::kBFloat16), x, 2), Error);
  EXPECT_THROW(attention(x, x, x, 2, at::zeros({3, 4})), Error);
  EXPECT_EQ(attention(at::zeros({1, 0, 12}), x, x, 2).size(1), 0);
}

}  // namespace
}  // namespace easel::kernels
