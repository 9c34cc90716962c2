#include "models/model.h"

#include <fmt/ranges.h>

#include <mutex>

#include "base/error.h"
#include "base/host.h"
#include "base/log.h"
#include "models/architecture.h"
#include "models/vae/autoencoder_kl.h"
#include "models/vae/tiles.h"

namespace easel {

namespace {

Patches merged(Patches patches, const Patches& more) {
  for (const auto& [name, list] : more) patches[name].insert(patches[name].end(), list.begin(), list.end());
  return patches;
}

void log_unused(const Weights& weights) {
  const auto unused = weights.unused();
  if (unused.empty()) return;
  log::warn("'{}': {} weights are not part of the model and stay unused, '{}' first", weights.origin(), unused.size(),
            unused[0]);
}

}  // namespace

struct Model::Bound {
  std::once_flag once;
  Network network;
};

Model::Model(const Architecture& architecture, Weights weights, ModelSampling sampling, Precision precision)
    : sampling(std::move(sampling)),
      architecture_(&architecture),
      weights_(std::move(weights)),
      precision_(precision),
      bound_(std::make_shared<Bound>()) {}

const std::string& Model::id() const { return architecture_->id; }
MakeInputs Model::inputs() const {
  return architecture_->inputs ? architecture_->inputs(weights_, sampling) : MakeInputs();
}
const LatentFormat& Model::latent_format() const { return *architecture_->latent; }

Network Model::network() const {
  return [bound = bound_, architecture = architecture_, weights = weights_, patches = patches_,
          precision = precision_](const NetInput& in) {
    std::call_once(bound->once, [&] {
      const auto patched = weights.patched(patches);
      bound->network = architecture->make(patched, precision);
      log_unused(patched);
    });
    return bound->network(in);
  };
}

Model Model::with_patches(const Patches& more) const {
  auto model = *this;
  model.patches_ = merged(patches_, more);
  model.bound_ = std::make_shared<Bound>();
  return model;
}

struct Clip::Bound {
  std::once_flag once;
  EncodeText encode;
};

Clip::Clip(MakeTextEncoder make, Weights weights, Precision precision)
    : make_(std::move(make)), weights_(std::move(weights)), precision_(precision), bound_(std::make_shared<Bound>()) {}

TextEncoding Clip::encode(const Texts& texts) const {
  std::call_once(bound_->once, [&] { bound_->encode = make_(weights(), precision_); });
  return bound_->encode(texts, last_layer_);
}

Clip Clip::with_last_layer(int layer) const {
  auto clip = *this;
  clip.last_layer_ = layer;
  return clip;
}

Clip Clip::with_patches(const Patches& more) const {
  auto clip = *this;
  clip.patches_ = merged(patches_, more);
  clip.bound_ = std::make_shared<Bound>();
  return clip;
}

Vae::Vae(Weights weights, Precision precision)
    : Vae(std::make_shared<const Autoencoder>(weights), weights, precision) {}

Vae::Vae(std::shared_ptr<const VaeNetwork> network, Weights weights, Precision precision)
    : weights_(std::move(weights)), precision_(precision), autoencoder_(std::move(network)) {
  log_unused(weights_);
}

int64_t Vae::downscale() const { return autoencoder_->factor(); }
int64_t Vae::latent_channels() const { return autoencoder_->latent_channels(); }

namespace {

void check_latent(const Tensor& latent, int64_t channels) {
  if (latent.dim() == 4 && latent.size(1) == channels && latent.numel() > 0) return;
  fail("Vae: latents [B, {}, h, w] were wanted, [{}] came; perhaps they belong to another family of models", channels,
       fmt::join(latent.sizes(), ", "));
}

// What the decoder gives, about -1..1 and channels first, as pixels.
Tensor as_pixels(const Tensor& y) { return ((y + 1) * 0.5).clamp_(0, 1).permute({0, 2, 3, 1}).contiguous(); }

// Pixels as the encoder takes them, cut evenly on both sides to multiples of `factor`.
Tensor as_input(const Tensor& pixels, int64_t factor) {
  if (pixels.dim() != 4 || pixels.size(3) < 3 || pixels.size(1) < factor || pixels.size(2) < factor) {
    fail("Vae: pixels [B, H, W, 3] of at least {} × {} were wanted, [{}] came", factor, factor,
         fmt::join(pixels.sizes(), ", "));
  }
  auto cut = [&](const Tensor& x, int64_t dim) {
    const int64_t size = x.size(dim) / factor * factor;
    return x.narrow(dim, x.size(dim) % factor / 2, size);
  };
  return cut(cut(pixels, 1), 2).narrow(3, 0, 3).permute({0, 3, 1, 2}) * 2 - 1;
}

// The mean of three tilings, whose seams lie elsewhere: as given, twice as wide and half as high, and the other way.
Tensor in_three_tilings(const Tensor& in, const std::function<Tensor(const Tensor&)>& function, const Tiling& t,
                        int64_t channels, double scale) {
  auto pass = [&](int64_t height, int64_t width) {
    return in_tiles(in, function, {.height = height, .width = width, .overlap = t.overlap}, channels, scale);
  };
  auto sum = pass(t.tile_height * 2, t.tile_width / 2);
  sum += pass(t.tile_height / 2, t.tile_width * 2);
  sum += pass(t.tile_height, t.tile_width);
  return sum.div_(3);
}

}  // namespace

// Whether an image of this size is too much for the memory that is left; says so.
static bool wants_tiles(const VaeNetwork& vae, int64_t height, int64_t width, at::ScalarType dtype) {
  const int64_t left = host_memory().available, wanted = vae.working_bytes(height, width, dtype);
  if (left == 0 || wanted < left) return false;
  log::warn("Vae: {} x {} pixels want {} MB, {} MB are left; working in tiles", width, height, wanted >> 20,
            left >> 20);
  return true;
}

Tensor Vae::decode(const Tensor& latent) const {
  check_latent(latent, latent_channels());
  const int64_t cell = downscale();
  if (wants_tiles(*autoencoder_, latent.size(2) * cell, latent.size(3) * cell, precision_.vae)) {
    return decode_tiled(latent);
  }
  std::vector<Tensor> images;  // one by one: a decoder's memory is large, its use of a batch small
  for (int64_t b = 0; b < latent.size(0); ++b) {
    images.push_back(as_pixels(autoencoder_->decode(latent.narrow(0, b, 1).to(precision_.vae)).to(at::kFloat)));
  }
  return at::cat(images);
}

Tensor Vae::encode(const Tensor& pixels) const {
  const auto x = as_input(pixels, downscale());
  if (wants_tiles(*autoencoder_, x.size(2), x.size(3), precision_.vae)) return encode_tiled(pixels);
  std::vector<Tensor> latents;
  for (int64_t b = 0; b < x.size(0); ++b) {
    latents.push_back(autoencoder_->encode(x.narrow(0, b, 1).to(precision_.vae)).to(at::kFloat));
  }
  return at::cat(latents).contiguous();
}

Tensor Vae::decode_tiled(const Tensor& latent, Tiling tiling) const {
  check_latent(latent, latent_channels());
  auto decode = [&](const Tensor& z) { return autoencoder_->decode(z.to(precision_.vae)).to(at::kFloat); };
  return as_pixels(in_three_tilings(latent, decode, tiling, 3, static_cast<double>(downscale())));
}

Tensor Vae::encode_tiled(const Tensor& pixels, Tiling tiling) const {
  auto encode = [&](const Tensor& x) { return autoencoder_->encode(x.to(precision_.vae)).to(at::kFloat); };
  return in_three_tilings(as_input(pixels, downscale()), encode, tiling, latent_channels(),
                          1.0 / static_cast<double>(downscale()));
}

}  // namespace easel
