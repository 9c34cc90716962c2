// UPSCALE_MODEL: networks that enlarge pictures. Which one a file is, and its sizes, show in its weights alone.
#pragma once
#include "tensor/precision.h"
#include "tensor/weights.h"

namespace easel {

// Immutable; any thread.
class UpscaleNetwork {
 public:
  virtual ~UpscaleNetwork() = default;
  virtual Tensor operator()(const Tensor& x) const = 0;  // [B, 3, H, W] in 0..1 -> [B, 3, s H, s W], not clamped
  virtual int64_t scale() const = 0;
  virtual int64_t width() const = 0;  // channels inside, to reckon memory with
};

struct UpscaleModel {
  std::string architecture;  // "ESRGAN", "Compact", …
  std::shared_ptr<const UpscaleNetwork> network;
};

UpscaleModel make_upscale_model(const Weights& w);
// Fails, saying what the file is, where no network known here is in it.
UpscaleModel load_upscale_model(const std::string& path);

// pixels [B, H, W, C] in 0..1 -> [B, s H, s W, 3], in overlapping tiles, smaller ones where memory is short.
Tensor upscale(const UpscaleModel& model, const Tensor& pixels);

// The architectures: null where the weights are of another.
std::shared_ptr<const UpscaleNetwork> make_esrgan(const Weights& w);
std::shared_ptr<const UpscaleNetwork> make_compact(const Weights& w);
std::shared_ptr<const UpscaleNetwork> make_span(const Weights& w);
std::shared_ptr<const UpscaleNetwork> make_plksr(const Weights& w);

}  // namespace easel
