// KSampler and KSamplerAdvanced.
#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/sample_latent.h"

namespace easel {
namespace {

std::vector<std::string> names(std::span<const std::string_view> views) { return {views.begin(), views.end()}; }

struct Settings {
  uint64_t seed = 0;
  int64_t steps = 20;
  double cfg = 8.0;
  std::string sampler, scheduler;
  double denoise = 1.0;
  bool add_noise = true;
  std::optional<int64_t> start_step, last_step;
  bool force_full_denoise = false;
};

Latent ksample(Context& context, const Model& model, const Settings& settings, const ConditioningSet& positive,
               const ConditioningSet& negative, const Latent& latent) {
  const Tensor image = fitted_latent("KSampler", model, latent.samples);
  require_memory("KSampler", image.sizes().vec());
  std::optional<std::vector<int64_t>> batch_index;
  if (!latent.batch_index.empty()) batch_index = latent.batch_index;
  SampleRequest request{
      .model = sample_model(context, model),
      .positive = positive.entries,
      .negative = negative.entries,
      .cfg = settings.cfg,
      .sampler = settings.sampler,
      .scheduler = settings.scheduler,
      .steps = settings.steps,
      .start_step = settings.start_step,
      .last_step = settings.last_step,
      .force_full_denoise = settings.force_full_denoise,
      .denoise = settings.denoise,
      .noise = settings.add_noise ? prepare_noise(image, settings.seed, batch_index) : at::zeros_like(image),
      .latent_image = image,
      .noise_mask = latent.noise_mask,
      .seed = settings.seed,
      .callback = report_steps(context, model),
  };
  Latent made = latent;
  made.samples = sample(request);
  return made;
}

void add_ksampler(Registry& registry) {
  registry.add({
      .id = "KSampler",
      .category = "sampling",
      .about = "Turns noise into a picture: denoises the latent step by step, guided by the prompts.",
      .inputs = {socket("model", "MODEL", {.tooltip = "The diffusion model."}),
                 integer("seed", {.value = 0,
                                  .min = 0,
                                  .max = UINT64_MAX,
                                  .control_after_generate = true,
                                  .tooltip = "Chooses the noise; the same seed gives the same picture."}),
                 integer("steps", {.value = 20, .min = 1, .max = 10000, .tooltip = "More steps, finer picture."}),
                 real("cfg", {.value = 8.0,
                              .min = 0.0,
                              .max = 100.0,
                              .step = 0.1,
                              .round = 0.01,
                              .tooltip = "How closely the picture keeps to the prompt; too much looks burnt."}),
                 choice("sampler_name", names(sampler_names()), {.tooltip = "The way the steps are computed."}),
                 choice("scheduler", names(scheduler_names()), {.tooltip = "How the noise is shared among the steps."}),
                 socket("positive", "CONDITIONING", {.tooltip = "What the picture should show."}),
                 socket("negative", "CONDITIONING", {.tooltip = "What it should not show."}),
                 socket("latent_image", "LATENT", {.tooltip = "Where to start from."}),
                 real("denoise", {.value = 1.0,
                                  .min = 0.0,
                                  .max = 1.0,
                                  .step = 0.01,
                                  .tooltip = "Less than 1 keeps something of the given latent."})},
      .outputs = {{.tooltip = "The denoised latent."}},
      .run = [](Context& context, const Model& model, uint64_t seed, int64_t steps, double cfg,
                const std::string& sampler, const std::string& scheduler, const ConditioningSet& positive,
                const ConditioningSet& negative, const Latent& latent, double denoise) -> Latent {
        return ksample(
            context, model,
            {.seed = seed, .steps = steps, .cfg = cfg, .sampler = sampler, .scheduler = scheduler, .denoise = denoise},
            positive, negative, latent);
      },
  });
}

void add_ksampler_advanced(Registry& registry) {
  registry.add({
      .id = "KSamplerAdvanced",
      .title = "KSampler (Advanced)",
      .category = "sampling",
      .about = "A KSampler that can run a part of the steps and hand on what is not finished.",
      .inputs = {socket("model", "MODEL"), choice("add_noise", {"enable", "disable"}),
                 integer("noise_seed", {.value = 0, .min = 0, .max = UINT64_MAX, .control_after_generate = true}),
                 integer("steps", {.value = 20, .min = 1, .max = 10000}),
                 real("cfg", {.value = 8.0, .min = 0.0, .max = 100.0, .step = 0.1, .round = 0.01}),
                 choice("sampler_name", names(sampler_names())), choice("scheduler", names(scheduler_names())),
                 socket("positive", "CONDITIONING"), socket("negative", "CONDITIONING"),
                 socket("latent_image", "LATENT"), integer("start_at_step", {.value = 0, .min = 0, .max = 10000}),
                 integer("end_at_step", {.value = 10000, .min = 0, .max = 10000}),
                 choice("return_with_leftover_noise", {"disable", "enable"})},
      .run = [](Context& context, const Model& model, const std::string& add_noise, uint64_t seed, int64_t steps,
                double cfg, const std::string& sampler, const std::string& scheduler, const ConditioningSet& positive,
                const ConditioningSet& negative, const Latent& latent, int64_t start, int64_t end,
                const std::string& leftover_noise) -> Latent {
        return ksample(context, model,
                       {.seed = seed,
                        .steps = steps,
                        .cfg = cfg,
                        .sampler = sampler,
                        .scheduler = scheduler,
                        .add_noise = add_noise == "enable",
                        .start_step = start,
                        .last_step = end,
                        .force_full_denoise = leftover_noise != "enable"},
                       positive, negative, latent);
      },
  });
}

}  // namespace

void add_sampling_nodes(Registry& registry) {
  add_ksampler(registry);
  add_ksampler_advanced(registry);
}

}  // namespace easel
