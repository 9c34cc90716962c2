// Scaled dot-product attention over packed heads: our own blocked kernel on a CPU, libtorch's elsewhere.
#pragma once
#include "tensor/aten.h"

namespace easel::kernels {

// softmax(q k^T / sqrt(D) + mask) v for each head (FlashAttention's online softmax, Dao 2022, over blocks).
//   q [B, Lq, heads*D]   k, v [B, Lk, heads*D]   ->   [B, Lq, heads*D] in q's dtype, contiguous
// float32 and bfloat16 (bfloat16: products accumulate and softmax runs in float32); rows may be slices of a wider
// tensor as long as the last dimension is dense. mask broadcasts to [B, heads, Lq, Lk] from [Lq, Lk], [B, Lq, Lk] or
// [B or 1, heads or 1, Lq or 1, Lk]: boolean (true: attend) or added to the scores. causal hides keys after the query's
// own position (position i sees keys 0..i). A row that may attend to nothing gives zeros.
// Throws easel::Error for shapes that do not fit each other.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads,
                 const std::optional<Tensor>& mask = {}, bool causal = false);

}  // namespace easel::kernels
