// Nodes that change how a model is guided: each gives a copy of the model with one more patch.
#include "nodes/families.h"
#include "nodes/ports.h"
#include "sampling/cfg_patches.h"

namespace easel {
namespace {

// A function of GuidancePatches and options as a node's run.
template <class... A>
auto patching(void (*add)(GuidancePatches&, A...)) {
  return [add](Model model, A... options) {
    add(model.guidance, options...);
    return model;
  };
}

Input model_input() { return socket("model", "MODEL"); }

void add_rescaling(Registry& registry) {
  registry.add({
      .id = "RescaleCFG",
      .category = "advanced/model",
      .about = "Keeps the contrast of the guided picture to that of the unguided one.",
      .inputs = {model_input(), real("multiplier", {.value = 0.7, .min = 0.0, .max = 1.0, .step = 0.01})},
      .run = patching(add_rescale_cfg),
      .module = "comfy_extras.nodes_model_advanced",
  });
  registry.add({
      .id = "RenormCFG",
      .category = "advanced/model",
      .about = "Keeps the norm of the guided prediction to that of the unguided one.",
      .inputs = {model_input(), real("cfg_trunc", {.value = 100, .min = 0.0, .max = 100.0, .step = 0.01}),
                 real("renorm_cfg", {.value = 1.0, .min = 0.0, .max = 100.0, .step = 0.01})},
      .run = patching(add_renorm_cfg),
      .v3 = true,
      .module = "comfy_extras.nodes_lumina2",
  });
  registry.add({
      .id = "CFGNorm",
      .category = "advanced/guidance",
      .about = "Keeps the norm of every cell of the guided prediction to that of the unguided one.",
      .inputs = {model_input(), real("strength", {.value = 1.0, .min = 0.0, .max = 100.0, .step = 0.01})},
      .outputs = {{.name = "patched_model"}},
      .run = patching(add_cfg_norm),
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_cfg",
  });
  registry.add({
      .id = "Epsilon Scaling",
      .category = "model_patches/unet",
      .about = "Divides the predicted noise by a factor near 1, against the drift between training and sampling.",
      .inputs = {model_input(),
                 real("scaling_factor",
                      {.value = 1.005, .min = 0.5, .max = 1.5, .step = 0.001, .extra = {{"display", "number"}}})},
      .run = patching(add_epsilon_scaling),
      .v3 = true,
      .module = "comfy_extras.nodes_eps",
  });
}

void add_projections(Registry& registry) {
  registry.add({
      .id = "APG",
      .title = "Adaptive Projected Guidance",
      .category = "sampling/custom_sampling",
      .about = "Weakens the part of the guidance that oversaturates.",
      .inputs = {model_input(),
                 real("eta", {.value = 1.0,
                              .min = -10.0,
                              .max = 10.0,
                              .step = 0.01,
                              .tooltip = "How much of the guidance along the prediction is kept; 1 is all of it."}),
                 real("norm_threshold", {.value = 5.0,
                                         .min = 0.0,
                                         .max = 50.0,
                                         .step = 0.1,
                                         .tooltip = "The guidance's largest norm; 0: none."}),
                 real("momentum", {.value = 0.0,
                                   .min = -5.0,
                                   .max = 1.0,
                                   .step = 0.01,
                                   .tooltip = "Share of the earlier steps' guidance, usually negative; 0: none."})},
      .run = patching(add_apg),
      .v3 = true,
      .module = "comfy_extras.nodes_apg",
  });
  registry.add({
      .id = "CFGZeroStar",
      .category = "advanced/guidance",
      .about = "Scales the negative side to fit the positive one best (CFG-Zero*).",
      .inputs = {model_input()},
      .outputs = {{.name = "patched_model"}},
      .run = patching(add_cfg_zero_star),
      .v3 = true,
      .module = "comfy_extras.nodes_cfg",
  });
  registry.add({
      .id = "TCFG",
      .title = "Tangential Damping CFG",
      .category = "advanced/guidance",
      .about = "Keeps of the negative side only what it shares with the positive one.",
      .inputs = {model_input()},
      .outputs = {{.name = "patched_model"}},
      .run = patching(add_tcfg),
      .v3 = true,
      .module = "comfy_extras.nodes_tcfg",
  });
  registry.add({
      .id = "PerpNeg",
      .title = "Perp-Neg (DEPRECATED by PerpNegGuider)",
      .category = "_for_testing",
      .about = "Takes of the negative prompt only what does not oppose the positive one.",
      .inputs = {model_input(), socket("empty_conditioning", "CONDITIONING"),
                 real("neg_scale", {.value = 1.0, .min = 0.0, .max = 100.0, .step = 0.01})},
      .run =
          [](Model model, const ConditioningSet& empty, double neg_scale) {
            add_perp_neg(model.guidance, empty.entries, neg_scale);
            return model;
          },
      .v3 = true,
      .deprecated = true,
      .experimental = true,
      .module = "comfy_extras.nodes_perpneg",
  });
}

void add_mixing(Registry& registry) {
  registry.add({
      .id = "Mahiro",
      .title = "Mahiro is so cute that she deserves a better guidance function!! (。・ω・。)",
      .category = "_for_testing",
      .about = "Leans on the positive prompt where both sides point the same way.",
      .inputs = {model_input()},
      .outputs = {{.name = "patched_model"}},
      .run = patching(add_mahiro),
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_mahiro",
  });
  registry.add({
      .id = "FreSca",
      .title = "FreSca",
      .category = "_for_testing",
      .about = "Guides shapes and details with different strengths.",
      .inputs = {model_input(),
                 real("scale_low",
                      {.value = 1.0, .min = 0, .max = 10, .step = 0.01, .tooltip = "Strength for low frequencies."}),
                 real("scale_high",
                      {.value = 1.25, .min = 0, .max = 10, .step = 0.01, .tooltip = "Strength for high frequencies."}),
                 integer("freq_cutoff",
                         {.value = 20, .min = 1, .max = 10000, .step = 1, .tooltip = "Up to where they are low."})},
      .run = patching(add_fresca),
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_fresca",
  });
  for (const bool triangle : {false, true})
    registry.add({
        .id = triangle ? "VideoTriangleCFGGuidance" : "VideoLinearCFGGuidance",
        .category = "sampling/video_models",
        .about = triangle ? "Guidance that rises to the middle of the video and falls again."
                          : "Guidance that rises over the frames of a video.",
        .inputs = {model_input(),
                   real("min_cfg", {.value = 1.0, .min = 0.0, .max = 100.0, .step = 0.5, .round = 0.01})},
        .run =
            [triangle](Model model, double min_cfg) {
              add_video_cfg(model.guidance, min_cfg, triangle);
              return model;
            },
        .module = "comfy_extras.nodes_video_model",
    });
  registry.add({
      .id = "LatentApplyOperationCFG",
      .category = "latent/advanced/operations",
      .about = "Passes the guidance through a latent operation at every step.",
      .inputs = {model_input(), socket("operation", "LATENT_OPERATION")},
      .run =
          [](Model model, const LatentOperation& operation) {
            add_latent_operation_cfg(model.guidance, operation.run);
            return model;
          },
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_latent",
  });
  registry.add({
      .id = "DifferentialDiffusion",
      .title = "Differential Diffusion",
      .category = "_for_testing",
      .about = "Repaints by degrees: the greyer the mask, the later its cells begin to change.",
      .inputs = {model_input(), real("strength", {.value = 1.0, .min = 0.0, .max = 1.0, .step = 0.01})},
      .run =
          [](Model model, std::optional<double> strength) {
            add_differential_diffusion(model.guidance, strength.value_or(1.0));
            return model;
          },
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_differential_diffusion",
  });
}

}  // namespace

void add_guidance_nodes(Registry& registry) {
  add_rescaling(registry);
  add_projections(registry);
  add_mixing(registry);
}

}  // namespace easel
