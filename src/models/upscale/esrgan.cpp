// ESRGAN (Wang et al. 2018) with its kin: Real-ESRGAN (Wang et al. 2021), which may fold pixels into channels first,
// and ESRGAN+ (Rakotonirina and Rasoanaivo 2020), whose dense blocks have two more residuals.
#include <cmath>

#include "models/upscale/upscale_model.h"
#include "nn/linear.h"

namespace easel {

namespace {

Tensor leaky(const Tensor& x) { return at::leaky_relu(x, 0.2); }

struct DenseBlock {
  DenseBlock(const Weights& w, bool old) {
    for (const char* name : {"conv1", "conv2", "conv3", "conv4", "conv5"}) {
      convs.emplace_back(old ? w / name / 0 : w / name);
    }
    if (w.any("conv1x1")) conv1x1.emplace(w / "conv1x1");
  }
  Tensor operator()(const Tensor& x) const {
    const auto x1 = leaky(convs[0](x));
    auto x2 = leaky(convs[1](at::cat({x, x1}, 1)));
    if (conv1x1) x2 = conv1x1->add(x, x2);
    const auto x3 = leaky(convs[2](at::cat({x, x1, x2}, 1)));
    auto x4 = leaky(convs[3](at::cat({x, x1, x2, x3}, 1)));
    if (conv1x1) x4 = x4 + x2;
    return convs[4](at::cat({x, x1, x2, x3, x4}, 1)) * 0.2 + x;
  }
  std::vector<nn::Conv2d> convs;
  std::optional<nn::Conv2d> conv1x1;
};

struct ResidualInResidual {
  ResidualInResidual(const Weights& w, bool old) {
    for (int i = 1; i <= 3; ++i) {
      const auto upper = "RDB" + std::to_string(i), lower = "rdb" + std::to_string(i);
      blocks.emplace_back(w / (w.any(upper) ? upper : lower), old);
    }
  }
  Tensor operator()(const Tensor& x) const { return blocks[2](blocks[1](blocks[0](x))) * 0.2 + x; }
  std::vector<DenseBlock> blocks;
};

class Esrgan : public UpscaleNetwork {
 public:
  Esrgan(nn::Conv2d first, std::vector<ResidualInResidual> body, nn::Conv2d trunk, std::vector<nn::Conv2d> ups,
         nn::Conv2d hr, nn::Conv2d last)
      : first_(std::move(first)),
        body_(std::move(body)),
        trunk_(std::move(trunk)),
        ups_(std::move(ups)),
        hr_(std::move(hr)),
        last_(std::move(last)) {
    const auto folds = static_cast<double>(first_.in()) / static_cast<double>(last_.out());
    fold_ = std::max<int64_t>(1, std::llround(std::sqrt(folds)));
  }

  Tensor operator()(const Tensor& image) const override {
    const int64_t height = image.size(2), width = image.size(3);
    auto x = image;
    if (fold_ > 1) {
      auto missing = [&](int64_t size) { return (fold_ - size % fold_) % fold_; };
      x = at::pixel_unshuffle(at::reflection_pad2d(x, {0, missing(width), 0, missing(height)}), fold_);
    }
    x = first_(x.contiguous(at::MemoryFormat::ChannelsLast));
    auto h = x;
    for (const auto& block : body_) h = block(h);
    x = trunk_.add(h, x);
    for (const auto& up : ups_) x = leaky(up(kernels::upsample_nearest_2x(x)));
    x = last_(leaky(hr_(x)));
    return x.narrow(2, 0, height * scale()).narrow(3, 0, width * scale());
  }
  int64_t scale() const override { return (int64_t{1} << ups_.size()) / fold_; }
  int64_t width() const override { return first_.out() * 3; }

 private:
  nn::Conv2d first_;
  std::vector<ResidualInResidual> body_;
  nn::Conv2d trunk_;
  std::vector<nn::Conv2d> ups_;
  nn::Conv2d hr_, last_;
  int64_t fold_ = 1;
};

// The first layout: one sequence, numbered with gaps for what has no weights.
std::shared_ptr<const UpscaleNetwork> old_layout(const Weights& w) {
  constexpr int64_t kMost = 64;
  const auto model = w / "model", sub = model / 1 / "sub";
  std::vector<ResidualInResidual> body;
  int64_t n = 0;
  for (; (sub / n).any("RDB1"); ++n) body.emplace_back(sub / n, true);
  std::vector<nn::Conv2d> rest;
  for (int64_t i = 2; i < kMost; ++i) {
    if ((model / i).has("weight")) rest.emplace_back(model / i);
  }
  if (rest.size() < 2) return nullptr;
  const auto last = rest.back(), hr = rest[rest.size() - 2];
  rest.resize(rest.size() - 2, last);
  return std::make_shared<const Esrgan>(nn::Conv2d(model / 0), body, nn::Conv2d(sub / n), rest, hr, last);
}

std::shared_ptr<const UpscaleNetwork> new_layout(const Weights& w) {
  const auto trunk = w / (w.any("RRDB_trunk") ? "RRDB_trunk" : "body");
  std::vector<ResidualInResidual> body;
  for (int64_t i = 0; i < trunk.count(); ++i) body.emplace_back(trunk / i, false);
  std::vector<nn::Conv2d> ups;
  for (const char* name : {"conv_up1", "conv_up2", "conv_up3", "upconv1", "upconv2", "upconv3"}) {
    if (w.any(name)) ups.emplace_back(w / name);
  }
  auto one = [&](const char* now, const char* then) { return nn::Conv2d(w / (w.any(now) ? now : then)); };
  return std::make_shared<const Esrgan>(nn::Conv2d(w / "conv_first"), body, one("conv_body", "trunk_conv"), ups,
                                        one("conv_hr", "HRconv"), nn::Conv2d(w / "conv_last"));
}

}  // namespace

std::shared_ptr<const UpscaleNetwork> make_esrgan(const Weights& w) {
  if (w.any("model.1.sub.0.RDB1")) return old_layout(w);
  if (w.any("body.0.rdb1") || w.any("RRDB_trunk.0.RDB1")) return new_layout(w);
  return nullptr;
}

}  // namespace easel
