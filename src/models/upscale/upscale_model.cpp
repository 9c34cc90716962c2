#include "models/upscale/upscale_model.h"

#include <array>

#include "base/error.h"
#include "base/host.h"
#include "models/file_kind.h"
#include "models/vae/tiles.h"

namespace easel {

UpscaleModel make_upscale_model(const Weights& w) {
  using Make = std::shared_ptr<const UpscaleNetwork> (*)(const Weights&);
  constexpr std::array<std::pair<const char*, Make>, 4> known{
      {{"ESRGAN", make_esrgan}, {"Compact", make_compact}, {"SPAN", make_span}, {"PLKSR", make_plksr}}};
  for (const auto& [name, make] : known) {
    if (auto network = make(w)) return {name, network};
  }
  fail("make_upscale_model: '{}' is no upscale model that is known here; ESRGAN, Compact, SPAN and PLKSR are",
       w.origin());
}

UpscaleModel load_upscale_model(const std::string& path) {
  const auto file = open_tensor_file(path);
  // Trainers put the weights below one of these.
  for (const char* prefix : {"params_ema.", "params-ema.", "params.", "model_state_dict.", "state_dict.", "module."}) {
    const Weights weights(file, prefix);
    if (weights.any()) return make_upscale_model(weights);
  }
  return make_upscale_model(Weights(file, ""));
}

namespace {

// The largest tile, from ComfyUI's down, that fits into the memory left.
int64_t tile_side(const UpscaleNetwork& network, int64_t longest) {
  constexpr int64_t kLargest = 512, kSmallest = 128, kAlive = 4;
  const int64_t left = host_memory().available;
  int64_t side = kLargest;
  auto bytes = [&](int64_t pixels) {
    const int64_t out = std::min(pixels, longest) * network.scale();
    return kAlive * network.width() * out * out * static_cast<int64_t>(sizeof(float));
  };
  while (left > 0 && side > kSmallest && bytes(side) > left) side /= 2;
  return side;
}

}  // namespace

Tensor upscale(const UpscaleModel& model, const Tensor& pixels) {
  constexpr int64_t kOverlap = 32;
  if (pixels.dim() != 4 || pixels.size(3) < 3) {
    fail("upscale: pixels [B, H, W, 3] were wanted, {} dimensions came", pixels.dim());
  }
  const auto& network = *model.network;
  const int64_t side = tile_side(network, std::max(pixels.size(1), pixels.size(2)));
  const auto out = in_tiles(
      pixels.narrow(3, 0, 3).permute({0, 3, 1, 2}),
      [&](const Tensor& x) {
        return network(x.contiguous(at::MemoryFormat::ChannelsLast)).clamp(0, 1).to(at::kFloat).contiguous();
      },
      {.height = side, .width = side, .overlap = kOverlap}, 3, static_cast<double>(network.scale()));
  return out.permute({0, 2, 3, 1}).clamp(0, 1).contiguous();
}

}  // namespace easel
