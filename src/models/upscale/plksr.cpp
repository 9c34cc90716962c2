// PLKSR (Lee et al. 2024, "Partial Large Kernel CNNs") and RealPLKSR: a large kernel over some of the channels, the
// rest mixed by small ones.
#include <algorithm>
#include <cmath>

#include "models/upscale/upscale_model.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace easel {

namespace {

constexpr int64_t kNormGroups = 4;

struct Block {
  explicit Block(const Weights& w)
      : real(w.any("channel_mixer")),
        mix_in(w / (real ? "channel_mixer" : "channe_mixer") / 0),  // a slip of the pen that stayed
        mix_out(w / (real ? "channel_mixer" : "channe_mixer") / 2),
        large(w / "lk" / "conv"),
        refine(w / "refine") {
    if (w.any("attn")) attention.emplace(w / "attn" / "f" / 0);
    if (w.any("norm")) norm.emplace(w / "norm", 1e-5, kNormGroups);
  }
  Tensor operator()(const Tensor& x) const {
    auto h = mix_in(x);
    h = mix_out(real ? at::mish(h) : at::gelu(h));
    const int64_t some = large.out();
    h = at::cat(
        {large(h.narrow(1, 0, some).contiguous(at::MemoryFormat::ChannelsLast)), h.narrow(1, some, h.size(1) - some)},
        1);
    if (attention) h = h * at::sigmoid((*attention)(h));
    h = refine(h);
    return (norm ? (*norm)(h) : h) + x;
  }
  bool real;
  nn::Conv2d mix_in, mix_out, large, refine;
  std::optional<nn::Conv2d> attention;
  std::optional<nn::GroupNorm> norm;
};

class Plksr : public UpscaleNetwork {
 public:
  Plksr(const Weights& feats, int64_t last) : first_(feats / 0), last_(feats / last) {
    for (int64_t i = 1; (feats / i).any("lk"); ++i) blocks_.emplace_back(feats / i);
    scale_ = std::llround(std::sqrt(static_cast<double>(last_.out()) / 3.0));
  }
  Tensor operator()(const Tensor& image) const override {
    auto x = first_(image.contiguous(at::MemoryFormat::ChannelsLast));
    for (const auto& block : blocks_) x = block(x);
    return at::pixel_shuffle(last_(x) + at::repeat_interleave(image, scale_ * scale_, 1), scale_);
  }
  int64_t scale() const override { return scale_; }
  int64_t width() const override { return 2 * first_.out(); }

 private:
  nn::Conv2d first_, last_;
  std::vector<Block> blocks_;
  int64_t scale_ = 1;
};

}  // namespace

std::shared_ptr<const UpscaleNetwork> make_plksr(const Weights& w) {
  if (!w.any("feats.1.lk.conv")) return nullptr;
  int64_t last = 1;
  while ((w / "feats" / last).any("lk")) ++last;
  while (last < 256 && !(w / "feats" / last).has("weight")) ++last;  // RealPLKSR has a dropout before it
  return std::make_shared<const Plksr>(w / "feats", last);
}

}  // namespace easel
