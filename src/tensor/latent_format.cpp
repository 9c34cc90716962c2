#include "tensor/latent_format.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace easel {

const LatentFormat kSd15Latent{
    .name = "SD15",
    .channels = 4,
    .scale = 0.18215,
    .rgb_factors = {{0.3512, 0.2297, 0.3227},
                    {0.3250, 0.4974, 0.2350},
                    {-0.2829, 0.1762, 0.2721},
                    {-0.2120, -0.2616, -0.7177}},
    .rgb_bias = {},
    .taesd = "taesd_decoder",
};

Tensor preview_rgb(const LatentFormat& format, const Tensor& latent) {
  if (latent.dim() != 4 || latent.size(1) != static_cast<int64_t>(format.rgb_factors.size())) {
    fail("preview_rgb: latents [B, {}, h, w] of format {} were wanted, [{}] came", format.rgb_factors.size(),
         format.name, fmt::join(latent.sizes(), ", "));
  }
  auto factors = at::empty({latent.size(1), 3}, at::kFloat);
  for (int64_t c = 0; c < latent.size(1); ++c) {
    for (int64_t rgb = 0; rgb < 3; ++rgb) factors[c][rgb] = format.rgb_factors[c][rgb];
  }
  auto image = at::matmul(latent.to(at::kCPU, at::kFloat).permute({0, 2, 3, 1}), factors);
  for (size_t rgb = 0; rgb < format.rgb_bias.size(); ++rgb) {
    image.select(-1, static_cast<int64_t>(rgb)).add_(format.rgb_bias[rgb]);
  }
  return image.add_(1).mul_(0.5).clamp_(0, 1).nan_to_num_(0).mul_(255).to(at::kByte);
}

}  // namespace easel
