// Under which names LoRA files know the modules of a model.
#pragma once
#include "models/diffusion/unet_shape.h"

namespace easel {

// A module's name in a file, without its last parts (".lora_up.weight", …), to the name of the weight it is laid over.
using LoraTargets = std::map<std::string, std::string>;

// names: of a Model's weights, "diffusion_model.*". kohya's (lora_unet_*), diffusers' (unet.*, *.processor.*), LyCORIS'
// (lycoris_*) and the model's own.
LoraTargets unet_lora_targets(const std::vector<std::string>& names, const UnetShape& shape);

// names: of a Clip's weights, "clip_l.transformer.*". kohya's (lora_te_*, lora_te1_*, lora_te2_*), diffusers'
// (text_encoder.*, text_encoder_2.*) and the model's own (text_encoders.*).
LoraTargets clip_lora_targets(const std::vector<std::string>& names);

}  // namespace easel
