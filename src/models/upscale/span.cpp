// SPAN (Wan et al. 2023, "Swift Parameter-free Attention Network"): blocks weigh what they give by how far it is from
// zero. Trained with branches that become one 3×3 convolution.
#include <cmath>

#include "models/upscale/upscale_model.h"
#include "nn/linear.h"

namespace easel {

namespace {

// The three convolutions in a row and the one beside them, as one.
Weights merged(const Weights& w) {
  auto weight = [&](const char* name) { return w[std::string(name) + ".weight"].once(at::kFloat); };
  auto bias = [&](const char* name) { return w[std::string(name) + ".bias"].once(at::kFloat); };
  auto turned = [](const Tensor& x) { return x.flip({2, 3}).permute({1, 0, 2, 3}); };
  auto after = [&](const Tensor& first, const Tensor& second, int64_t padding) {
    const auto product = at::conv2d(turned(first), second, {}, 1, padding);
    return product.flip({2, 3}).permute({1, 0, 2, 3});
  };
  auto moved = [](const Tensor& second, const Tensor& b) { return (second * b.view({1, -1, 1, 1})).sum({1, 2, 3}); };
  auto kernel = after(after(weight("conv.0"), weight("conv.1"), 2), weight("conv.2"), 0);
  const auto inner = moved(weight("conv.1"), bias("conv.0")) + bias("conv.1");
  const auto total = moved(weight("conv.2"), inner) + bias("conv.2") + bias("sk");
  kernel = kernel + at::constant_pad_nd(weight("sk"), {1, 1, 1, 1});
  return Weights({{"weight", kernel.contiguous()}, {"bias", total}}, w.origin());
}

struct Block {
  explicit Block(const Weights& w) : c1(merged(w / "c1_r")), c2(merged(w / "c2_r")), c3(merged(w / "c3_r")) {}
  // -> what it gives, and what its first convolution gave, activated
  std::pair<Tensor, Tensor> operator()(const Tensor& x) const {
    const auto first = at::silu(c1(x)), last = c3(at::silu(c2(first)));
    return {(last + x) * (at::sigmoid(last) - 0.5), first};
  }
  nn::Conv2d c1, c2, c3;
};

class Span : public UpscaleNetwork {
 public:
  explicit Span(const Weights& w)
      : conv_1_(merged(w / "conv_1")),
        conv_2_(merged(w / "conv_2")),
        conv_cat_(w / "conv_cat"),
        upsampler_(w / "upsampler" / 0),
        normed_(!w.has("no_norm")) {
    for (int i = 1; i <= 6; ++i) blocks_.emplace_back(w / ("block_" + std::to_string(i)));
    scale_ = std::llround(std::sqrt(static_cast<double>(upsampler_.out()) / 3.0));
  }
  Tensor operator()(const Tensor& image) const override {
    constexpr double kRange = 255;
    const auto mean = at::tensor({0.4488f, 0.4371f, 0.4040f}).view({1, 3, 1, 1});
    const auto x = conv_1_((normed_ ? (image - mean) * kRange : image).contiguous(at::MemoryFormat::ChannelsLast));
    Tensor h = x, after_first, before_last;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      auto [out, first] = blocks_[i](h);
      h = out;
      if (i == 0) after_first = out;
      before_last = first;
    }
    const auto joined = conv_cat_(at::cat({x, conv_2_(h), after_first, before_last}, 1));
    return at::pixel_shuffle(upsampler_(joined).contiguous(), scale_);
  }
  int64_t scale() const override { return scale_; }
  int64_t width() const override { return 4 * conv_1_.out(); }

 private:
  nn::Conv2d conv_1_, conv_2_, conv_cat_, upsampler_;
  std::vector<Block> blocks_;
  bool normed_;
  int64_t scale_ = 1;
};

}  // namespace

std::shared_ptr<const UpscaleNetwork> make_span(const Weights& w) {
  return w.any("block_1.c1_r") && w.any("conv_cat") ? std::make_shared<const Span>(w) : nullptr;
}

}  // namespace easel
