// What nodes lay over a model's guidance, each from its paper. They add to the patches of a model's copy.
#pragma once
#include "sampling/guidance.h"

namespace easel {

// Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", section 3.4, in velocity space.
void add_rescale_cfg(GuidancePatches&, double multiplier);
// Sadat et al. 2024, "Eliminating Oversaturation and Artifacts of High Guidance Scales" (adaptive projected guidance).
void add_apg(GuidancePatches&, double eta, double norm_threshold, double momentum);
// Fan et al. 2025, "CFG-Zero*": the unconditional side scaled to fit the conditional one best.
void add_cfg_zero_star(GuidancePatches&);
// The guided prediction's norm over the channels kept to the conditional one's.
void add_cfg_norm(GuidancePatches&, double strength);
// Kwon et al. 2025, "TCFG: Tangential Damping Classifier-free Guidance".
void add_tcfg(GuidancePatches&);
// Weighs the guided prediction against the scaled conditional one by how alike the two point (ComfyUI's Mahiro).
void add_mahiro(GuidancePatches&);
// Huang et al. 2025, "FreSca": the guidance scaled apart for low and high spatial frequencies.
void add_fresca(GuidancePatches&, double scale_low, double scale_high, int64_t freq_cutoff);
// Lumina-Image 2.0: guidance only below sigma `cfg_trunc`, its norm kept to `renorm` times the conditional one's.
void add_renorm_cfg(GuidancePatches&, double cfg_trunc, double renorm);
// Ning et al. 2023, "Elucidating the Exposure Bias in Diffusion Models": the predicted noise divided by the factor.
void add_epsilon_scaling(GuidancePatches&, double factor);
// Perp-Neg as a patch of the model, with a prediction of its own for the empty prompt.
void add_perp_neg(GuidancePatches&, ConditioningList empty, double neg_scale);
// Guidance that grows over the frames of a video ([B = frames]) from `min_cfg` to cfg; triangle: up to the middle and
// back.
void add_video_cfg(GuidancePatches&, double min_cfg, bool triangle);
// Guidance through a function of latents.
void add_latent_operation_cfg(GuidancePatches&, std::function<Tensor(const Tensor&)> operation);
// Levin & Fried 2023, "Differential Diffusion": at every step only what the mask holds above the part of the run that
// lies ahead is repainted. strength < 1 mixes with the mask as it is.
void add_differential_diffusion(GuidancePatches&, double strength);

}  // namespace easel
