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

const LatentFormat kSdxlLatent{
    .name = "SDXL",
    .channels = 4,
    .scale = 0.13025,
    .rgb_factors = {{0.3651, 0.4232, 0.4341},
                    {-0.2533, -0.0042, 0.1068},
                    {0.1076, 0.1111, -0.0362},
                    {-0.3165, -0.2492, -0.2188}},
    .rgb_bias = {0.1084, -0.0175, -0.0011},
    .taesd = "taesdxl_decoder",
};

const LatentFormat kPlaygroundLatent{
    .name = "SDXL_Playground_2_5",
    .channels = 4,
    .scale = 0.5,
    .mean = {-1.6574, 1.886, -1.383, 2.5155},
    .deviation = {8.4927, 5.9022, 6.5498, 5.2299},
    .rgb_factors = {{0.392, 0.4054, 0.4549},
                    {-0.2634, -0.0196, 0.0653},
                    {0.0568, 0.1687, -0.0755},
                    {-0.3112, -0.2359, -0.2076}},
    .rgb_bias = {},
    .taesd = "taesdxl_decoder",
};

const LatentFormat kSd3Latent{
    .name = "SD3",
    .channels = 16,
    .scale = 1.5305,
    .shift = 0.0609,
    .rgb_factors = {{-0.0922, -0.0175, 0.0749},
                    {0.0311, 0.0633, 0.0954},
                    {0.1994, 0.0927, 0.0458},
                    {0.0856, 0.0339, 0.0902},
                    {0.0587, 0.0272, -0.0496},
                    {-0.0006, 0.1104, 0.0309},
                    {0.0978, 0.0306, 0.0427},
                    {-0.0042, 0.1038, 0.1358},
                    {-0.0194, 0.002, 0.0669},
                    {-0.0488, 0.013, -0.0268},
                    {0.0922, 0.0988, 0.0951},
                    {-0.0278, 0.0524, -0.0542},
                    {0.0332, 0.0456, 0.0895},
                    {-0.0069, -0.003, -0.081},
                    {-0.0596, -0.0465, -0.0293},
                    {-0.1448, -0.1463, -0.1189}},
    .rgb_bias = {0.2394, 0.2135, 0.1925},
    .taesd = "taesd3_decoder",
};

const LatentFormat kFluxLatent{
    .name = "Flux",
    .channels = 16,
    .scale = 0.3611,
    .shift = 0.1159,
    .rgb_factors = {{-0.0346, 0.0244, 0.0681},
                    {0.0034, 0.021, 0.0687},
                    {0.0275, -0.0668, -0.0433},
                    {-0.0174, 0.016, 0.0617},
                    {0.0859, 0.0721, 0.0329},
                    {0.0004, 0.0383, 0.0115},
                    {0.0405, 0.0861, 0.0915},
                    {-0.0236, -0.0185, -0.0259},
                    {-0.0245, 0.025, 0.118},
                    {0.1008, 0.0755, -0.0421},
                    {-0.0515, 0.0201, 0.0011},
                    {0.0428, -0.0012, -0.0036},
                    {0.0817, 0.0765, 0.0749},
                    {-0.1264, -0.0522, -0.1103},
                    {-0.028, -0.0881, -0.0499},
                    {-0.1262, -0.0982, -0.0778}},
    .rgb_bias = {-0.0329, -0.0718, -0.0851},
    .taesd = "taef1_decoder",
};

namespace {

// [C] -> [1, C, 1, ...] beside a latent
Tensor by_channel(const std::vector<double>& values, const Tensor& latent) {
  std::vector<int64_t> shape(latent.dim(), 1);
  shape[1] = static_cast<int64_t>(values.size());
  return at::tensor(values, latent.options().dtype(at::kFloat)).view(shape);
}

}  // namespace

Tensor LatentFormat::to_network(const Tensor& latent) const {
  if (mean.empty()) return (latent - shift) * scale;
  return (latent - by_channel(mean, latent)) * scale / by_channel(deviation, latent);
}

Tensor LatentFormat::from_network(const Tensor& latent) const {
  if (mean.empty()) return latent / scale + shift;
  return latent * by_channel(deviation, latent) / scale + by_channel(mean, latent);
}

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
