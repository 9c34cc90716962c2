// The values that travel between nodes: MODEL, CLIP and VAE. Cheap to copy (weights are shared) and never changed: what
// a node changes is a new value. Weights are read from the file when first needed.
#pragma once
#include "sampling/guidance.h"
#include "sampling/model_inputs.h"
#include "sampling/model_sampling.h"
#include "sampling/network.h"
#include "tensor/latent_format.h"
#include "tensor/precision.h"
#include "tensor/weights.h"

namespace easel {

struct Architecture;  // models/architecture.h: a row of the table of what we can run

// MODEL: a diffusion network, what is laid over its weights, and how it is sampled.
class Model {
 public:
  Model(const Architecture& architecture, Weights weights, ModelSampling sampling, Precision precision);

  const Architecture& architecture() const { return *architecture_; }
  const std::string& id() const;  // "sd15"
  const LatentFormat& latent_format() const;
  const Precision& precision() const { return precision_; }

  // The network as samplers call it: x [B, C, H, W] float32, already scaled, to the raw prediction (float32). It stays
  // valid after the Model is gone.
  Network network() const;

  // What the network takes beside latent, time and text, of a conditioning.
  MakeInputs inputs() const;

  ModelSampling sampling;  // sigmas, prediction type; nodes replace it in a copy
  // A small decoder for previews: a latent [1, C, h, w] as the network sees it to [1, 3, H, W], about -1..1. Empty
  // where there is no file of one.
  std::function<Tensor(const Tensor&)> tiny_decoder;
  GuidancePatches guidance;  // what nodes lay over the guidance

  // Weights with all patches laid over, by the names used in `Patches`.
  Weights weights() const { return weights_.patched(patches_); }
  Model with_patches(const Patches& more) const;

 private:
  struct Bound;  // the network made of the patched weights, on first use; copies share it
  const Architecture* architecture_;
  Weights weights_;
  Patches patches_;
  Precision precision_;
  std::shared_ptr<Bound> bound_;
};

struct TextEncoding {
  Tensor cross_attn;   // [1, T, D] float32
  Tensor pooled;       // [1, D] float32
  Tensor unprojected;  // [1, D'] float32, pooled before its projection
};

// What to encode: one text, or a text for each encoder by its short name ("l", "g", …), where one that is not named
// gets the plain one.
struct Texts {
  std::string plain;
  std::map<std::string, std::string> each;
};

// A family's text encoders bound to their weights: texts and layer (-1 the last, -2 the one before, …; nothing: the
// family's own) to encoding.
using EncodeText = std::function<TextEncoding(const Texts& texts, std::optional<int> layer)>;
using MakeTextEncoder = std::function<EncodeText(const Weights&, const Precision&)>;

// CLIP: a family's text encoders with their tokenizers.
class Clip {
 public:
  Clip(MakeTextEncoder make, Weights weights, Precision precision);

  // Prompt syntax and chunks of 77 as ComfyUI's CLIPTextEncode.
  TextEncoding encode(const std::string& text) const { return encode(Texts{.plain = text}); }
  TextEncoding encode(const Texts& texts) const;

  // CLIPSetLastLayer: -1 is the last layer, -2 the one before, …
  Clip with_last_layer(int layer) const;
  Clip with_patches(const Patches& more) const;
  Weights weights() const { return weights_.patched(patches_); }

 private:
  struct Bound;
  MakeTextEncoder make_;
  Weights weights_;
  Patches patches_;
  Precision precision_;
  std::optional<int> last_layer_;
  std::shared_ptr<Bound> bound_;
};

struct Tiling {
  int64_t tile_width = 64, tile_height = 64;  // in pixels of what goes in: of the latent or of the image
  int64_t overlap = 16;
};

class VaeNetwork;  // models/vae/vae_network.h

// VAE: pixels [B, H, W, 3] in 0..1, channels last, to latents [B, C, h, w] in the VAE's own scale and back; float32.
class Vae {
 public:
  Vae(Weights weights, Precision precision);  // the autoencoder of latent diffusion
  Vae(std::shared_ptr<const VaeNetwork> network, Weights weights, Precision precision);

  Tensor decode(const Tensor& latent) const;  // falls back to tiles when memory does not suffice
  Tensor encode(const Tensor& pixels) const;  // the posterior's mean; sides cut to multiples of downscale()
  Tensor decode_tiled(const Tensor& latent, Tiling tiling = {}) const;
  Tensor encode_tiled(const Tensor& pixels, Tiling tiling = {512, 512, 64}) const;

  int64_t downscale() const;  // 8
  int64_t latent_channels() const;
  Weights weights() const { return weights_; }

 private:
  Weights weights_;
  Precision precision_;
  std::shared_ptr<const VaeNetwork> autoencoder_;
};

// The tensors of a LoRA file (or LoHa, LoKr, GLoRA, OFT, BOFT, diff…).
struct Lora {
  Weights weights;
};

}  // namespace easel
