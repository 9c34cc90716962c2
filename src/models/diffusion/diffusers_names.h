// U-Nets in the layout of diffusers.
#pragma once
#include "models/diffusion/unet_shape.h"

namespace easel {

// diffusers' name of every weight of a U-Net of this shape, to its own: "conv_in.weight" to "input_blocks.0.0.weight".
// Weights that only some models have are among them.
std::vector<std::pair<std::string, std::string>> diffusers_unet_names(const UnetShape& shape);

// The shape of a U-Net, or of a ControlNet, whose weights have diffusers' names: as far as the names above need it.
UnetShape diffusers_unet_shape(const Weights& w);

// Whether a file is a U-Net in that layout, without any prefix.
bool is_diffusers_unet(const Tensors& tensors);
// Its weights under their own names behind `prefix`.
Weights diffusers_unet_weights(const TensorFilePtr& file, const std::string& prefix,
                               std::optional<at::ScalarType> held = std::nullopt);

}  // namespace easel
