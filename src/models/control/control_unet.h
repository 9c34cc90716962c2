// ControlNet (Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models"): a copy of the U-Net's
// first half that sees a picture of hints, with convolutions from each of its blocks to the U-Net's skip connections.
// Control-LoRA keeps the difference to the sampled model only; ControlNet++ ("union") knows several kinds of hint.
#pragma once
#include "formats/tensor_file.h"
#include "models/control/control_model.h"

namespace easel {

// Null where the file is no ControlNet of a U-Net. Layouts: the paper's, diffusers', Control-LoRA's.
std::shared_ptr<const ControlModel> make_control_unet(const TensorFilePtr& file, const Precision& precision,
                                                      const std::optional<Weights>& base);

}  // namespace easel
