// SamplerCustom and SamplerCustomAdvanced, and the guiders and noises they are put together from.
#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/sample_latent.h"

namespace easel {
namespace {

constexpr const char* kModule = "comfy_extras.nodes_custom_sampler";

using TwoLatents = std::tuple<Latent, Latent>;  // as it ended, and the last estimate of the picture

Tensor noise_for(const Noise& noise, const Latent& latent, const Tensor& image) {
  if (!noise.seed) return at::zeros_like(image);
  std::optional<std::vector<int64_t>> batch_index;
  if (!latent.batch_index.empty()) batch_index = latent.batch_index;
  return prepare_noise(image, *noise.seed, batch_index);
}

TwoLatents sample_guided(Context& context, const char* who, const Noise& noise, const Guider& guider,
                         const Sampler& sampler, const SigmaList& sigmas, const Latent& latent) {
  const Tensor image = fitted_latent(who, guider.model, latent.samples);
  require_memory(who, image.sizes().vec());
  Tensor x0;
  Latent made = latent;
  made.samples = sample_custom({.model = sample_model(context, guider.model),
                                .guide = guider.guide,
                                .sampler = sampler,
                                .sigmas = sigmas.values,
                                .noise = noise_for(noise, latent, image),
                                .latent_image = image,
                                .noise_mask = latent.noise_mask,
                                .seed = noise.seed.value_or(0),
                                .callback = report_steps(context, guider.model, &x0)});
  Latent denoised = made;
  if (x0.defined()) denoised.samples = guider.model.latent_format().from_network(x0);
  return {made, denoised};
}

TwoLatents sample_advanced(Context& context, const Noise& noise, const Guider& guider, const Sampler& sampler,
                           const SigmaList& sigmas, const Latent& latent) {
  return sample_guided(context, "SamplerCustomAdvanced", noise, guider, sampler, sigmas, latent);
}

TwoLatents sample_simply(Context& context, const Model& model, bool add_noise, uint64_t seed, double cfg,
                         const ConditioningSet& positive, const ConditioningSet& negative, const Sampler& sampler,
                         const SigmaList& sigmas, const Latent& latent) {
  const Guider guider{model, cfg_guide(positive.entries, negative.entries, cfg)};
  return sample_guided(context, "SamplerCustom", add_noise ? Noise{seed} : Noise{}, guider, sampler, sigmas, latent);
}

// The noise that takes a latent from the last sigma back to the first.
Latent add_noise(const Model& model, const Noise& noise, const SigmaList& sigmas, const Latent& latent) {
  if (sigmas.values.empty()) return latent;
  const Tensor image = fitted_latent("AddNoise", model, latent.samples);
  const LatentFormat format = model.latent_format();
  const float last = sigmas.values.size() > 1 ? sigmas.values.back() : 0;
  const Tensor scale = at::scalar_tensor(std::abs(sigmas.values.front() - last), image.options());
  const Tensor start = image.any().item<bool>() ? format.to_network(image) : image;
  Latent made = latent;
  made.samples = format.from_network(model.sampling.noise_scaling(scale, noise_for(noise, latent, image), start))
                     .nan_to_num(0.0, 0.0, 0.0);
  return made;
}

Input seed_input() {
  return integer("noise_seed", {.value = 0, .min = 0, .max = UINT64_MAX, .control_after_generate = true});
}

Input cfg_input(std::string name) {
  return real(std::move(name), {.value = 8.0, .min = 0.0, .max = 100.0, .step = 0.1, .round = 0.01});
}

void add_noises(Registry& registry) {
  registry.add({
      .id = "RandomNoise",
      .category = "sampling/custom_sampling/noise",
      .about = "Gaussian noise; the same seed gives the same noise.",
      .inputs = {seed_input()},
      .run = [](uint64_t seed) { return Noise{seed}; },
      .module = kModule,
  });
  registry.add({
      .id = "DisableNoise",
      .category = "sampling/custom_sampling/noise",
      .about = "No noise: sampling goes on from the latent as it is.",
      .inputs = {},
      .run = [] { return Noise{}; },
      .module = kModule,
  });
  registry.add({
      .id = "AddNoise",
      .category = "_for_testing/custom_sampling/noise",
      .about = "Adds noise to a latent, as much as lies between the first and the last sigma.",
      .inputs = {socket("model", "MODEL"), socket("noise", "NOISE"), socket("sigmas", "SIGMAS"),
                 socket("latent_image", "LATENT")},
      .run = add_noise,
      .module = kModule,
  });
}

void add_samplers(Registry& registry) {
  registry.add({
      .id = "SamplerCustom",
      .category = "sampling/custom_sampling",
      .about = "Samples with a sampler and sigmas of one's own.",
      .inputs = {socket("model", "MODEL"), boolean("add_noise", {.value = true}), seed_input(), cfg_input("cfg"),
                 socket("positive", "CONDITIONING"), socket("negative", "CONDITIONING"), socket("sampler", "SAMPLER"),
                 socket("sigmas", "SIGMAS"), socket("latent_image", "LATENT")},
      .outputs = {{.name = "output"}, {.name = "denoised_output"}},
      .run = sample_simply,
      .module = kModule,
  });
  registry.add({
      .id = "SamplerCustomAdvanced",
      .category = "sampling/custom_sampling",
      .about = "Samples with noise, guider, sampler and sigmas of one's own.",
      .inputs = {socket("noise", "NOISE"), socket("guider", "GUIDER"), socket("sampler", "SAMPLER"),
                 socket("sigmas", "SIGMAS"), socket("latent_image", "LATENT")},
      .outputs = {{.name = "output"}, {.name = "denoised_output"}},
      .run = sample_advanced,
      .module = kModule,
  });
}

void add_guiders(Registry& registry) {
  registry.add({
      .id = "BasicGuider",
      .category = "sampling/custom_sampling/guiders",
      .about = "The prompt alone, without guidance away from another.",
      .inputs = {socket("model", "MODEL"), socket("conditioning", "CONDITIONING")},
      .run =
          [](const Model& model, const ConditioningSet& set) {
            return Guider{model, basic_guide(set.entries)};
          },
      .module = kModule,
  });
  registry.add({
      .id = "CFGGuider",
      .category = "sampling/custom_sampling/guiders",
      .about = "Towards the positive prompt and away from the negative one.",
      .inputs = {socket("model", "MODEL"), socket("positive", "CONDITIONING"), socket("negative", "CONDITIONING"),
                 cfg_input("cfg")},
      .run =
          [](const Model& model, const ConditioningSet& positive, const ConditioningSet& negative, double cfg) {
            return Guider{model, cfg_guide(positive.entries, negative.entries, cfg)};
          },
      .module = kModule,
  });
  registry.add({
      .id = "DualCFGGuider",
      .category = "sampling/custom_sampling/guiders",
      .about = "Two prompts, each with a strength of its own.",
      .inputs = {socket("model", "MODEL"), socket("cond1", "CONDITIONING"), socket("cond2", "CONDITIONING"),
                 socket("negative", "CONDITIONING"), cfg_input("cfg_conds"), cfg_input("cfg_cond2_negative"),
                 choice("style", {"regular", "nested"})},
      .run =
          [](const Model& model, const ConditioningSet& cond1, const ConditioningSet& cond2,
             const ConditioningSet& negative, double cfg_conds, double cfg_cond2_negative, const std::string& style) {
            return Guider{model, dual_cfg_guide(cond1.entries, cond2.entries, negative.entries, cfg_conds,
                                                cfg_cond2_negative, style == "nested")};
          },
      .module = kModule,
  });
  registry.add({
      .id = "PerpNegGuider",
      .category = "_for_testing",
      .about = "Takes of the negative prompt only what does not oppose the positive one.",
      .inputs = {socket("model", "MODEL"), socket("positive", "CONDITIONING"), socket("negative", "CONDITIONING"),
                 socket("empty_conditioning", "CONDITIONING"), cfg_input("cfg"),
                 real("neg_scale", {.value = 1.0, .min = 0.0, .max = 100.0, .step = 0.01})},
      .run =
          [](const Model& model, const ConditioningSet& positive, const ConditioningSet& negative,
             const ConditioningSet& empty, double cfg, double neg_scale) {
            return Guider{model, perp_neg_guide(positive.entries, negative.entries, empty.entries, cfg, neg_scale)};
          },
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_perpneg",
  });
}

}  // namespace

void add_custom_sampling_nodes(Registry& registry) {
  add_samplers(registry);
  add_guiders(registry);
  add_noises(registry);
}

}  // namespace easel
