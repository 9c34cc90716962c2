// Every family of nodes, and the services it needs.
#pragma once
#include <memory>
#include <string>

#include "graph/node.h"
#include "models/checkpoint.h"

namespace easel {

class Folders;
class ModelCache;

// What the nodes are given by the program they run in. References outlive the registry.
struct Services {
  const Folders& folders;
  ModelCache& models;
  bool metadata = true;  // write prompt and workflow into files (--disable-metadata)
};

void add_primitive_nodes(Registry&);
void add_string_nodes(Registry&);
void add_image_nodes(Registry&);
void add_image_edit_nodes(Registry&);
void add_image_effect_nodes(Registry&);
void add_mask_nodes(Registry&);
void add_compositing_nodes(Registry&);
void add_rebatch_nodes(Registry&);
void add_latent_nodes(Registry&);
void add_latent_edit_nodes(Registry&);
void add_latent_math_nodes(Registry&);
void add_empty_latent_nodes(Registry&);
void add_conditioning_nodes(Registry&);
void add_vae_nodes(Registry&);
void add_sampling_nodes(Registry&);
void add_custom_sampling_nodes(Registry&);
void add_sampler_nodes(Registry&);
void add_sigma_nodes(Registry&);
void add_guidance_nodes(Registry&);
void add_step_cache_nodes(Registry&);
void add_loader_nodes(Registry&, const Services&);
void add_image_file_nodes(Registry&, const Services&);
void add_latent_file_nodes(Registry&, const Services&);
void add_preview_any_node(Registry&);
void add_sd_family_nodes(Registry&);
void add_control_nodes(Registry&, const Services&);
void add_upscale_nodes(Registry&, const Services&);
void add_model_merging_nodes(Registry&);
void add_model_saving_nodes(Registry&, const Services&);
void add_gligen_nodes(Registry&, const Services&);

}  // namespace easel
