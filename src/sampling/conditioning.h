// What a CONDITIONING socket carries: encoded prompts, each with where, when and how strongly it applies.
#pragma once
#include "sampling/control.h"

namespace easel {

// A rectangle of the latent, in latent cells, or in fractions of the latent's size.
struct ConditioningArea {
  double height = 0, width = 0, y = 0, x = 0;
  bool is_fraction = false;
};

// An image's CLIP encoding as unCLIP models take it.
struct UnclipImage {
  Tensor embeds;  // [B, P], the projected vector
  double strength = 1.0, noise_augmentation = 0.0;
};

// A value: copies share their tensors, so nodes copy a list and change members freely.
struct Conditioning {
  Tensor cross_attn;                     // [1, T, D] (or [B, T, D])
  Tensor pooled;                         // [1, P] or undefined
  std::optional<ConditioningArea> area;  // the whole latent when absent
  double strength = 1.0;                 // weight against other entries of the same list
  Tensor mask;                           // [N, H, W] in 0..1, any size (scaled to the latent), or undefined
  double mask_strength = 1.0;
  bool area_from_mask = false;                       // restrict evaluation to the mask's bounding box
  std::optional<double> start_percent, end_percent;  // part of the schedule, 0 = first step, 1 = end

  Controls controls;                      // control networks and adapters, in the order they were applied
  bool control_negative_too = false;      // a negative side without controls of its own takes these
  std::shared_ptr<const Control> gligen;  // grounding; a negative side without one takes this
  std::map<std::string, double> numbers;  // by ComfyUI's names: "width", "crop_w", "aesthetic_score", "guidance", …
  std::map<std::string, Tensor> tensors;  // "concat_latent_image", "concat_mask", "clip_vision_output", …
  std::vector<UnclipImage> unclip_images;
  double noise_augment_merge = 0.05;  // of several unCLIP images
};

using ConditioningList = std::vector<Conditioning>;

}  // namespace easel
