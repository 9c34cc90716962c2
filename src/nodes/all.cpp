#include "nodes/all.h"

namespace easel {

void add_all_nodes(Registry& registry, const Services& services) {
  add_sampling_nodes(registry);
  add_custom_sampling_nodes(registry);
  add_sampler_nodes(registry);
  add_sigma_nodes(registry);
  add_guidance_nodes(registry);
  add_step_cache_nodes(registry);
  add_loader_nodes(registry, services);
  add_conditioning_nodes(registry);
  add_vae_nodes(registry);
  add_latent_nodes(registry);
  add_latent_edit_nodes(registry);
  add_latent_math_nodes(registry);
  add_empty_latent_nodes(registry);
  add_image_nodes(registry);
  add_image_edit_nodes(registry);
  add_image_effect_nodes(registry);
  add_image_file_nodes(registry, services);
  add_mask_nodes(registry);
  add_compositing_nodes(registry);
  add_rebatch_nodes(registry);
  add_latent_file_nodes(registry, services);
  add_primitive_nodes(registry);
  add_string_nodes(registry);
  add_preview_any_node(registry);
  add_sd_family_nodes(registry);
  add_control_nodes(registry, services);
  add_upscale_nodes(registry, services);
  add_model_merging_nodes(registry);
  add_model_saving_nodes(registry, services);
  add_gligen_nodes(registry, services);
}

}  // namespace easel
