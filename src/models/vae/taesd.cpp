#include "models/vae/taesd.h"

#include "base/error.h"

namespace easel {

namespace tiny_vae {

namespace {

Tensor run(const std::vector<Layer>& layers, Tensor x) {
  for (const auto& layer : layers) {
    if (layer.doubles) x = kernels::upsample_nearest_2x(x);
    x = layer.block ? (*layer.block)(x) : (*layer.conv)(x);
    if (layer.rectifies) x = at::relu(x);
  }
  return x;
}

}  // namespace

Block::Block(const Weights& w) : conv0(w / "conv" / 0), conv2(w / "conv" / 2), conv4(w / "conv" / 4) {
  if (w.any("skip")) skip.emplace(w / "skip");
}

Tensor Block::operator()(const Tensor& x) const {
  return at::relu(conv4.add(at::relu(conv2(at::relu(conv0(x)))), skip ? (*skip)(x) : x));
}

// Layers are numbered with gaps where one has no weights. A convolution without bias goes with a change of size.
std::vector<Layer> layers_of(const Weights& w, bool decoder) {
  constexpr int64_t kMost = 64;
  std::vector<Layer> layers;
  for (int64_t i = 0; i < kMost; ++i) {
    const auto at = w / i;
    if (at.any("conv")) {
      layers.push_back({.block = Block(at)});
    } else if (at.has("weight")) {
      const bool resizes = !at.has("bias");
      layers.push_back({.conv = nn::Conv2d(at, resizes && !decoder ? 2 : 1),
                        .doubles = resizes && decoder,
                        .rectifies = decoder && layers.empty()});
    }
  }
  return layers;
}

}  // namespace tiny_vae

Taesd::Taesd(const Weights& w, double scale, double shift)
    : encoder_(tiny_vae::layers_of(w / "taesd_encoder", false)),
      decoder_(tiny_vae::layers_of(w / "taesd_decoder", true)),
      scale_(scale),
      shift_(shift) {
  if (encoder_.empty() && decoder_.empty()) fail("Taesd: '{}' has no layers; perhaps it is no TAESD", w.origin());
  if (!decoder_.empty() && decoder_.front().conv) channels_ = decoder_.front().conv->in();
  if (decoder_.empty() && encoder_.back().conv) channels_ = encoder_.back().conv->out();
}

Tensor Taesd::decode(const Tensor& z) const {
  if (decoder_.empty()) fail("Taesd: its decoder is missing");
  const auto x = ((z - shift_) * scale_ / 3).tanh() * 3;  // kept from running away, as in its training
  return tiny_vae::run(decoder_, x.contiguous(at::MemoryFormat::ChannelsLast)) * 2 - 1;
}

Tensor Taesd::encode(const Tensor& x) const {
  if (encoder_.empty()) fail("Taesd: its encoder is missing");
  const auto pixels = (x * 0.5 + 0.5).contiguous(at::MemoryFormat::ChannelsLast);
  return tiny_vae::run(encoder_, pixels) / scale_ + shift_;
}

int64_t Taesd::working_bytes(int64_t height, int64_t width, at::ScalarType dtype) const {
  constexpr int64_t kAlive = 4, kChannels = 64;
  return kAlive * kChannels * height * width * static_cast<int64_t>(c10::elementSize(dtype));
}

}  // namespace easel
