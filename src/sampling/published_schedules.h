// Schedules that were found once for a model and published as tables.
#pragma once
#include "sampling/schedulers.h"

namespace easel {

// A table stretched to `steps`: interpolated in log sigma (by index); with denoise < 1 its end. The last sigma is 0.
// Throws Error on an unknown model.
// "SD1", "SDXL", "SVD": Sabour et al. 2024, "Align Your Steps".
Sigmas align_your_steps_sigmas(std::string_view model, int64_t steps, double denoise = 1.0);
// "FLUX", "Wan", "Chroma": Pei et al. 2025, "Optimal Stepsize for Diffusion Sampling".
Sigmas optimal_steps_sigmas(std::string_view model, int64_t steps, double denoise = 1.0);

}  // namespace easel
