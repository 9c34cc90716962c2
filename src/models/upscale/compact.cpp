// Real-ESRGAN's compact network (SRVGGNet, Wang et al. 2021): plain convolutions at the small size, pixels unfolded at
// the end and added to the picture enlarged.
#include <cmath>

#include "models/upscale/upscale_model.h"
#include "nn/linear.h"

namespace easel {

namespace {

class Compact : public UpscaleNetwork {
 public:
  explicit Compact(const Weights& body) {
    for (int64_t i = 0; i < body.count(); ++i) {
      if ((body / i)["weight"].dim() == 4) {
        convs_.emplace_back(body / i);
      } else {
        slopes_.push_back((body / i)["weight"]);
      }
    }
    scale_ =
        std::llround(std::sqrt(static_cast<double>(convs_.back().out()) / static_cast<double>(convs_.front().in())));
  }
  Tensor operator()(const Tensor& image) const override {
    auto x = image.contiguous(at::MemoryFormat::ChannelsLast);
    for (size_t i = 0; i < convs_.size(); ++i) {
      x = convs_[i](x);
      if (i < slopes_.size() && i + 1 < convs_.size()) x = at::prelu(x, slopes_[i].like(x));
    }
    const auto large = at::upsample_nearest2d(image, {image.size(2) * scale_, image.size(3) * scale_});
    return at::pixel_shuffle(x.contiguous(), scale_) + large;
  }
  int64_t scale() const override { return scale_; }
  int64_t width() const override { return convs_.front().out(); }

 private:
  std::vector<nn::Conv2d> convs_;
  std::vector<Weight> slopes_;
  int64_t scale_ = 1;
};

}  // namespace

std::shared_ptr<const UpscaleNetwork> make_compact(const Weights& w) {
  const bool compact = w.has("body.0.weight") && w.has("body.1.weight") && w["body.0.weight"].dim() == 4 &&
                       w["body.1.weight"].dim() == 1;
  return compact ? std::make_shared<const Compact>(w / "body") : nullptr;
}

}  // namespace easel
