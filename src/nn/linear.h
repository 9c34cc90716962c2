// Linear layers and 2-d convolutions: a struct made from Weights, a call on x. Weights follow x: its device, its dtype.
#pragma once
#include "nn/kept.h"
#include "tensor/kernels/convolution.h"
#include "tensor/kernels/linear.h"
#include "tensor/weights.h"

namespace easel::nn {

using kernels::Activation;

// y = x W^T + b for x [..., in] -> [..., out]. W is "weight" [out, in] (a 1×1 convolution's [out, in, 1, 1] is the same
// thing on channels-last images), b is "bias", where there is one.
struct Linear {
  explicit Linear(const Weights& w);

  Tensor operator()(const Tensor& x, Activation activation = Activation::kNone) const;
  Tensor add(const Tensor& x, const Tensor& residual) const;  // y + residual
  Tensor geglu(const Tensor& x) const;                        // y = [a, g] -> a * gelu(g), [..., out / 2]
  // y, remembered as long as x lives: for what comes again unchanged at every step. Nobody may write to it.
  Tensor kept(const Tensor& x) const;

  int64_t in() const { return weight.size(1); }
  int64_t out() const { return weight.size(0); }

  Weight weight;
  std::optional<Weight> bias;

 private:
  kernels::PackedLinear packed(const Tensor& x) const;
  Tensor beside(const Tensor& x, const Tensor& y) const;
  Kept kept_;
};

// x [B, in, H, W] -> [B, out, H', W'], channels-last. W is "weight" [out, in, kh, kw], b is "bias", where there is one.
// Padding is "same" for odd kernels at stride 1 unless given.
struct Conv2d {
  explicit Conv2d(const Weights& w, int64_t stride = 1, std::optional<int64_t> padding = {});

  Tensor operator()(const Tensor& x, Activation activation = Activation::kNone) const;
  Tensor add(const Tensor& x, const Tensor& residual) const;  // y + residual

  int64_t in() const { return weight.size(1); }
  int64_t out() const { return weight.size(0); }

  Weight weight;
  std::optional<Weight> bias;
  kernels::ConvolutionShape shape;

 private:
  kernels::PackedConvolution packed(const Tensor& x) const;
  Tensor beside(const Tensor& x, const Tensor& y) const;
};

}  // namespace easel::nn
