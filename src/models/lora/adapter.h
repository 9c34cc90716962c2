// What the tensors of one module in a LoRA-like file do to the weight of that module: LoRA (Hu et al. 2021) with LoCon,
// DoRA (Liu et al. 2024), LoHa (Hyeon-Woo et al. 2022), LoKr (Yeh et al. 2024), GLoRA (Chavan et al. 2023), OFT (Qiu et
// al. 2023), BOFT (Liu et al. 2024), plain differences and replacements.
#pragma once
#include "tensor/weights.h"

namespace easel {

struct ModulePatches {
  std::optional<Patch> weight, bias;
};

// module: its name in the file, "lora_unet_…_to_q". strength_model scales the weight itself first. An adapter that does
// not fit the weight is logged when it is applied and leaves the weight as it was.
ModulePatches module_patches(const Weights& file, const std::string& module, double strength,
                             double strength_model = 1);

}  // namespace easel
