// In which dtype and where things are computed. Decided once by the app from its flags and the machine, then handed to
// the loaders: a network casts what enters it to its dtype, and every layer follows the dtype of its input.
#pragma once
#include "tensor/aten.h"

namespace easel {

struct Precision {
  at::ScalarType network = at::kFloat;  // diffusion models and control networks
  at::ScalarType vae = at::kFloat;
  at::ScalarType text = at::kFloat;  // text encoders: held in float16, computed in this
  at::Device device = at::kCPU;
  bool int8 = false;  // diffusion models multiply 8-bit integers, approximately
};

// ComfyUI's precision flags. A specific flag wins over a general one.
struct PrecisionFlags {
  bool force_fp32 = false, force_fp16 = false;       // --force-fp32, --force-fp16
  bool cpu_int8 = false;                             // --cpu-int8, our own
  std::optional<at::ScalarType> network, vae, text;  // --bf16-unet, --fp32-vae, --fp16-text-enc, …
};

// bfloat16 where the CPU multiplies it natively (AVX512-BF16 or AMX), else float32.
Precision choose_precision(const PrecisionFlags& flags);
bool cpu_has_bf16();

}  // namespace easel
