#include "models/diffusion/unet_inputs.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "nn/embedding.h"
#include "sampling/noise.h"

namespace easel {

namespace {

constexpr int64_t kSinusoids = 256;  // to each number of a size

double number(const Conditioning& conditioning, const char* name, double otherwise) {
  auto found = conditioning.numbers.find(name);
  return found == conditioning.numbers.end() ? otherwise : found->second;
}

Tensor tensor(const Conditioning& conditioning, const char* name) {
  auto found = conditioning.tensors.find(name);
  return found == conditioning.tensors.end() ? Tensor() : found->second;
}

const Tensor& pooled(const Conditioning& conditioning) {
  if (!conditioning.pooled.defined()) {
    fail("sdxl_vector: the conditioning has no pooled text; perhaps it was encoded for another family of models");
  }
  return conditioning.pooled;
}

// The pooled text, then the sinusoids of each number.
Tensor beside_pooled(const Tensor& text, const std::vector<double>& numbers) {
  const auto embedded = nn::timestep_embedding(at::tensor(numbers, at::kFloat), kSinusoids).view({1, -1});
  return at::cat({text, embedded.expand({text.size(0), -1})}, 1);
}

struct Size {
  double height, width, crop_h, crop_w;
};

// Without a node that says otherwise a picture is of the size it is made in.
Size size_of(const Conditioning& conditioning, const RunFacts& run) {
  constexpr double kCell = 8;
  const double rows = run.noise.defined() ? kCell * static_cast<double>(run.noise.size(2)) : 768;
  const double columns = run.noise.defined() ? kCell * static_cast<double>(run.noise.size(3)) : 768;
  return {number(conditioning, "height", rows), number(conditioning, "width", columns),
          number(conditioning, "crop_h", 0), number(conditioning, "crop_w", 0)};
}

}  // namespace

Tensor sdxl_vector(const Conditioning& conditioning, const RunFacts& run) {
  const auto size = size_of(conditioning, run);
  return beside_pooled(pooled(conditioning), {size.height, size.width, size.crop_h, size.crop_w,
                                              number(conditioning, "target_height", size.height),
                                              number(conditioning, "target_width", size.width)});
}

Tensor refiner_vector(const Conditioning& conditioning, const RunFacts& run) {
  constexpr double kGood = 6.0, kBad = 2.5;
  const auto size = size_of(conditioning, run);
  return beside_pooled(pooled(conditioning), {size.height, size.width, size.crop_h, size.crop_w,
                                              number(conditioning, "aesthetic_score", run.negative ? kBad : kGood)});
}

Tensor resized_batch(const Tensor& x, int64_t batch) {
  const int64_t have = x.size(0);
  if (have == batch) return x;
  if (batch <= 1) return x.narrow(0, 0, batch);
  std::vector<int64_t> picked;
  for (int64_t i = 0; i < batch; ++i) {
    const auto at = static_cast<double>(i);
    const double from = batch < have
                            ? std::nearbyint(at * static_cast<double>(have - 1) / static_cast<double>(batch - 1))
                            : std::floor((at + 0.5) * static_cast<double>(have) / static_cast<double>(batch));
    picked.push_back(std::min(static_cast<int64_t>(from), have - 1));
  }
  return x.index_select(0, at::tensor(picked, at::kLong));
}

Tensor fitted_to(const Tensor& x, int64_t height, int64_t width) {
  const double have = static_cast<double>(x.size(3)) / static_cast<double>(x.size(2));
  const double want = static_cast<double>(width) / static_cast<double>(height);
  int64_t left = 0, top = 0;
  if (have > want)
    left = std::llrint((static_cast<double>(x.size(3)) - static_cast<double>(x.size(3)) * (want / have)) / 2);
  if (have < want)
    top = std::llrint((static_cast<double>(x.size(2)) - static_cast<double>(x.size(2)) * (have / want)) / 2);
  const auto cut = x.narrow(2, top, x.size(2) - 2 * top).narrow(3, left, x.size(3) - 2 * left);
  return at::upsample_bilinear2d(cut, {height, width}, false);
}

Tensor inpaint_channels(const Conditioning& conditioning, const RunFacts& run, const LatentFormat& format) {
  // Grey, which is zero in pixels, in the scale of the latents.
  static const std::vector<double> kGrey{0.8223, -0.6876, 0.6364, 0.1380};
  const int64_t batch = run.noise.size(0), height = run.noise.size(2), width = run.noise.size(3);
  auto mask = tensor(conditioning, "concat_mask");
  if (!mask.defined()) mask = run.noise_mask;
  auto latent = tensor(conditioning, "concat_latent_image");
  latent = latent.defined() ? format.to_network(latent) : run.latent;
  if (!mask.defined()) {
    const auto grey = at::tensor(kGrey, at::kFloat).view({1, 4, 1, 1}).expand({batch, 4, height, width});
    return at::cat({at::ones({batch, 1, height, width}), grey}, 1);
  }
  if (latent.size(2) != height || latent.size(3) != width) latent = fitted_to(latent, height, width);
  if (mask.dim() == 4) mask = mask.narrow(1, 0, 1);
  mask = mask.reshape({-1, 1, mask.size(-2), mask.size(-1)}).to(at::kFloat);
  if (mask.size(2) != height || mask.size(3) != width) mask = fitted_to(mask, height, width);
  return at::cat({resized_batch(mask.round(), batch), resized_batch(latent, batch)}, 1);
}

Tensor depth_channel(const Conditioning& conditioning, const RunFacts& run) {
  auto depth = tensor(conditioning, "concat_mask");
  if (!depth.defined()) {
    fail(
        "depth_channel: the model is guided by depth and got none; give a depth map as InpaintModelConditioning's "
        "mask");
  }
  depth = fitted_to(depth.reshape({-1, 1, depth.size(-2), depth.size(-1)}).to(at::kFloat), run.noise.size(2),
                    run.noise.size(3));
  return resized_batch(depth * 2 - 1, run.noise.size(0));
}

Tensor edit_channels(const Conditioning& conditioning, const RunFacts& run) {
  auto latent = tensor(conditioning, "concat_latent_image");
  if (!latent.defined()) return at::zeros_like(run.noise);
  if (latent.size(2) != run.noise.size(2) || latent.size(3) != run.noise.size(3)) {
    latent = fitted_to(latent, run.noise.size(2), run.noise.size(3));
  }
  return resized_batch(latent, run.noise.size(0));
}

Tensor NoiseAugmentation::operator()(const std::vector<UnclipImage>& images, double merge, uint64_t seed) const {
  constexpr int64_t kSteps = 1000;
  // The cosine schedule (Nichol & Dhariwal 2021, equation 17) with betas of at most 0.999: what is left of the signal.
  static const std::vector<double> signal = [] {
    auto bar = [](double t) { return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2); };
    std::vector<double> kept;
    double product = 1;
    for (int64_t i = 0; i < kSteps; ++i) {
      const auto n = static_cast<double>(kSteps), t = static_cast<double>(i);
      product *= 1 - std::min(1 - bar((t + 1) / n) / bar(t / n), 0.999);
      kept.push_back(product);
    }
    return kept;
  }();
  const int64_t width = mean.size(1);
  auto augmented = [&](const Tensor& x, double amount, at::Generator& generator) {
    const auto level = std::llrint(static_cast<double>(kSteps - 1) * std::clamp(amount, 0.0, 1.0));
    const auto noise = at::randn({1, width}, generator);
    const auto noised = (x - mean) / deviation * std::sqrt(signal[level]) + noise * std::sqrt(1 - signal[level]);
    return at::cat({noised * deviation + mean, nn::timestep_embedding(at::tensor({static_cast<float>(level)}), width)},
                   1);
  };
  Tensor sum;
  int64_t count = 0;
  auto generator = cpu_generator(seed);
  for (const auto& image : images) {
    for (int64_t b = 0; b < image.embeds.size(0); ++b, ++count) {
      if (image.embeds.size(1) != width) {
        fail("unCLIP: image vectors of {} numbers were wanted, {} came; perhaps the CLIP vision model is another's",
             width, image.embeds.size(1));
      }
      generator = cpu_generator(seed);  // each image gets the same noise
      const auto one = augmented(image.embeds.narrow(0, b, 1), image.noise_augmentation, generator) * image.strength;
      sum = sum.defined() ? sum + one : one;
    }
  }
  // The noise of the sum goes on where the last image's ended.
  return count > 1 ? augmented(sum.narrow(1, 0, width), merge, generator) : sum;
}

}  // namespace easel
