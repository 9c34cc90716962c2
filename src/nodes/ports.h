// The types that travel between nodes, and their socket names.
#pragma once
#include "graph/port.h"
#include "models/control/control_model.h"
#include "models/control/gligen.h"
#include "models/model.h"
#include "models/upscale/upscale_model.h"
#include "sampling/conditioning.h"
#include "sampling/sample.h"

namespace easel {

// Pixels [B, H, W, C] float32 in 0..1; C is 1, 3 or 4.
struct Image {
  Tensor pixels;
};

// Values [B, H, W] float32, 1 = masked.
struct Mask {
  Tensor values;
};

// A batch of latents in the VAE's own scale.
struct Latent {
  Tensor samples;                    // [B, C, H, W], or [B, C, T, H, W] for video
  Tensor noise_mask;                 // [M, 1, h, w], 1 = to be sampled; undefined: everything
  std::vector<int64_t> batch_index;  // which noise of the batch each latent takes; empty: 0, 1, 2, …
};

// What values hold, for the budget of the cache of outputs.
inline size_t byte_size(const Image& image) { return image.pixels.defined() ? image.pixels.nbytes() : 0; }
inline size_t byte_size(const Mask& mask) { return mask.values.defined() ? mask.values.nbytes() : 0; }
inline size_t byte_size(const Latent& latent) { return latent.samples.defined() ? latent.samples.nbytes() : 0; }

// Prompts that apply together. A struct of its own, as a std::vector would stand for a list of inputs (graph/run.h).
struct ConditioningSet {
  ConditioningList entries;
};

// What custom sampling is put together from. NOISE: no seed means none.
struct Noise {
  std::optional<uint64_t> seed;
};
struct Guider {
  Model model;
  Guide guide;
};
struct SigmaList {  // descending; a struct of its own for ConditioningSet's reason
  Sigmas values;
};
// A function of latents [B, C, H, W].
struct LatentOperation {
  std::function<Tensor(const Tensor&)> run;
};

// Model kinds that are declared but cannot be loaded yet; no value of these is ever made.
struct StyleModel {};
struct ClipVision {};

template <>
struct Port<Image> : SocketPort<Image> {
  static constexpr const char* type = "IMAGE";
};
template <>
struct Port<Mask> : SocketPort<Mask> {
  static constexpr const char* type = "MASK";
};
template <>
struct Port<Latent> : SocketPort<Latent> {
  static constexpr const char* type = "LATENT";
};
template <>
struct Port<Model> : SocketPort<Model> {
  static constexpr const char* type = "MODEL";
};
template <>
struct Port<Clip> : SocketPort<Clip> {
  static constexpr const char* type = "CLIP";
  static Clip from(const Value& value) {
    if (value.empty()) fail("the checkpoint has no text encoder in it; load one with CLIPLoader");
    return SocketPort<Clip>::from(value);
  }
};
template <>
struct Port<Vae> : SocketPort<Vae> {
  static constexpr const char* type = "VAE";
  static Vae from(const Value& value) {
    if (value.empty()) fail("the checkpoint has no VAE in it; load one with VAELoader");
    return SocketPort<Vae>::from(value);
  }
};
template <>
struct Port<ConditioningSet> : SocketPort<ConditioningSet> {
  static constexpr const char* type = "CONDITIONING";
};
template <>
struct Port<Noise> : SocketPort<Noise> {
  static constexpr const char* type = "NOISE";
};
template <>
struct Port<Guider> : SocketPort<Guider> {
  static constexpr const char* type = "GUIDER";
};
template <>
struct Port<Sampler> : SocketPort<Sampler> {
  static constexpr const char* type = "SAMPLER";
};
template <>
struct Port<SigmaList> : SocketPort<SigmaList> {
  static constexpr const char* type = "SIGMAS";
};
template <>
struct Port<LatentOperation> : SocketPort<LatentOperation> {
  static constexpr const char* type = "LATENT_OPERATION";
};
template <>
struct Port<ControlNet> : SocketPort<ControlNet> {
  static constexpr const char* type = "CONTROL_NET";
};
template <>
struct Port<UpscaleModel> : SocketPort<UpscaleModel> {
  static constexpr const char* type = "UPSCALE_MODEL";
};
template <>
struct Port<StyleModel> : SocketPort<StyleModel> {
  static constexpr const char* type = "STYLE_MODEL";
};
template <>
struct Port<Gligen> : SocketPort<Gligen> {
  static constexpr const char* type = "GLIGEN";
};
template <>
struct Port<ClipVision> : SocketPort<ClipVision> {
  static constexpr const char* type = "CLIP_VISION";
};

// An output that may have no value: a checkpoint without a VAE.
template <class T>
struct Port<std::optional<T>> {
  static constexpr const char* type = Port<T>::type;
  static Value wrap(std::optional<T> value) { return value ? Port<T>::wrap(std::move(*value)) : Value(); }
};

}  // namespace easel
