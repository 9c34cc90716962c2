// Nodes that make and change SIGMAS.
#include <functional>
#include <numeric>

#include "nodes/families.h"
#include "nodes/ports.h"
#include "sampling/published_schedules.h"
#include "sampling/sigma_edits.h"

namespace easel {
namespace {

constexpr const char* kSchedulers = "sampling/custom_sampling/schedulers";
constexpr const char* kSigmas = "sampling/custom_sampling/sigmas";
constexpr const char* kModule = "comfy_extras.nodes_custom_sampler";

Input steps_input(int64_t value = 20, int64_t min = 1, int64_t max = 10000) {
  return integer("steps", {.value = value, .min = min, .max = max});
}
Input denoise_input() { return real("denoise", {.value = 1.0, .min = 0.0, .max = 1.0, .step = 0.01}); }
Input number(std::string name, double value, double min, double max, double step = 0.01) {
  return real(std::move(name), {.value = value, .min = min, .max = max, .step = step, .round = false});
}
// Of SD1.5 unless said otherwise
Input sigma_max_input() { return number("sigma_max", 14.614642, 0.0, 5000.0); }
Input sigma_min_input() { return number("sigma_min", 0.0291675, 0.0, 5000.0); }
Input model_types(std::vector<std::string> names) { return choice("model_type", std::move(names)); }

double percent_to_sigma(const Model& model, double percent, bool actual) {
  if (actual && percent == 0.0) return model.sampling.sigma_max();
  if (actual && percent == 1.0) return model.sampling.sigma_min();
  return model.sampling.percent_to_sigma(percent);
}

int64_t cells(const std::optional<Latent>& latent) {
  constexpr int64_t kUsual = 4096;
  if (!latent) return kUsual;
  const auto sizes = latent->samples.sizes().slice(2);
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

void add_of_model(Registry& registry) {
  registry.add({
      .id = "BasicScheduler",
      .category = kSchedulers,
      .about = "The sigmas that KSampler would take.",
      .inputs = {socket("model", "MODEL"), choice("scheduler", {scheduler_names().begin(), scheduler_names().end()}),
                 steps_input(), denoise_input()},
      .run =
          [](const Model& model, const std::string& scheduler, int64_t steps, double denoise) {
            return SigmaList{ksampler_sigmas(model.sampling, scheduler, "euler", steps, denoise)};
          },
      .module = kModule,
  });
  registry.add({
      .id = "BetaSamplingScheduler",
      .category = kSchedulers,
      .about = "Timesteps at the quantiles of a beta distribution.",
      .inputs = {socket("model", "MODEL"), steps_input(), number("alpha", 0.6, 0.0, 50.0),
                 number("beta", 0.6, 0.0, 50.0)},
      .run =
          [](const Model& model, int64_t steps, double alpha, double beta) {
            if (alpha <= 0 || beta <= 0)
              fail("BetaSamplingScheduler: alpha {} and beta {}; both must be above 0", alpha, beta);
            return SigmaList{beta_sigmas(model.sampling, steps, alpha, beta)};
          },
      .module = kModule,
  });
  registry.add({
      .id = "SDTurboScheduler",
      .category = kSchedulers,
      .about = "The few steps that turbo models were distilled for.",
      .inputs = {socket("model", "MODEL"), steps_input(1, 1, 10),
                 real("denoise", {.value = 1.0, .min = 0, .max = 1.0, .step = 0.01})},
      .run = [](const Model& model, int64_t steps,
                double denoise) { return SigmaList{turbo_sigmas(model.sampling, steps, denoise)}; },
      .module = kModule,
  });
}

void add_by_formula(Registry& registry) {
  registry.add({
      .id = "KarrasScheduler",
      .category = kSchedulers,
      .about = "Karras's schedule: evenly spaced in the sigma's rho-th root.",
      .inputs = {steps_input(), sigma_max_input(), sigma_min_input(), number("rho", 7.0, 0.0, 100.0)},
      .run = [](int64_t steps, double max, double min,
                double rho) { return SigmaList{karras_sigmas(steps, min, max, rho)}; },
      .module = kModule,
  });
  registry.add({
      .id = "ExponentialScheduler",
      .category = kSchedulers,
      .about = "Evenly spaced in the sigma's logarithm.",
      .inputs = {steps_input(), sigma_max_input(), sigma_min_input()},
      .run = [](int64_t steps, double max, double min) { return SigmaList{polyexponential_sigmas(steps, min, max)}; },
      .module = kModule,
  });
  registry.add({
      .id = "PolyexponentialScheduler",
      .category = kSchedulers,
      .about = "The sigma's logarithm moves with a power.",
      .inputs = {steps_input(), sigma_max_input(), sigma_min_input(), number("rho", 1.0, 0.0, 100.0)},
      .run = [](int64_t steps, double max, double min,
                double rho) { return SigmaList{polyexponential_sigmas(steps, min, max, rho)}; },
      .module = kModule,
  });
  registry.add({
      .id = "LaplaceScheduler",
      .category = kSchedulers,
      .about = "Sigmas whose logarithm is Laplace distributed around mu.",
      .inputs = {steps_input(), sigma_max_input(), sigma_min_input(), number("mu", 0.0, -10.0, 10.0, 0.1),
                 number("beta", 0.5, 0.0, 10.0, 0.1)},
      .run = [](int64_t steps, double max, double min, double mu,
                double beta) { return SigmaList{laplace_sigmas(steps, min, max, mu, beta)}; },
      .module = kModule,
  });
  registry.add({
      .id = "VPScheduler",
      .category = kSchedulers,
      .about = "The continuous variance-preserving schedule.",
      .inputs = {steps_input(), number("beta_d", 19.9, 0.0, 5000.0), number("beta_min", 0.1, 0.0, 5000.0),
                 number("eps_s", 0.001, 0.0, 1.0, 0.0001)},
      .run = [](int64_t steps, double beta_d, double beta_min,
                double eps_s) { return SigmaList{vp_sigmas(steps, beta_d, beta_min, eps_s)}; },
      .module = kModule,
  });
  registry.add({
      .id = "LTXVScheduler",
      .category = kSchedulers,
      .about = "LTX-Video's schedule, shifted by the size of the video.",
      .inputs = {steps_input(), real("max_shift", {.value = 2.05, .min = 0.0, .max = 100.0, .step = 0.01}),
                 real("base_shift", {.value = 0.95, .min = 0.0, .max = 100.0, .step = 0.01}),
                 boolean("stretch", {.value = true, .tooltip = "End the schedule at `terminal`."}),
                 real("terminal", {.value = 0.1,
                                   .min = 0.0,
                                   .max = 0.99,
                                   .step = 0.01,
                                   .tooltip = "The last sigma before 0 of a stretched schedule."}),
                 socket("latent", "LATENT")},
      .run =
          [](int64_t steps, double max_shift, double base_shift, bool stretch, double terminal,
             const std::optional<Latent>& latent) {
            return SigmaList{ltxv_sigmas(steps, cells(latent), max_shift, base_shift, stretch, terminal)};
          },
      .v3 = true,
      .module = "comfy_extras.nodes_lt",
  });
}

void add_published(Registry& registry) {
  registry.add({
      .id = "AlignYourStepsScheduler",
      .category = kSchedulers,
      .about = "Steps optimised for a kind of model by Align Your Steps.",
      .inputs = {model_types({"SD1", "SDXL", "SVD"}), steps_input(10), denoise_input()},
      .run = [](const std::string& type, int64_t steps,
                double denoise) { return SigmaList{align_your_steps_sigmas(type, steps, denoise)}; },
      .v3 = true,
      .module = "comfy_extras.nodes_align_your_steps",
  });
  registry.add({
      .id = "OptimalStepsScheduler",
      .category = kSchedulers,
      .about = "Steps optimised for a kind of flow model by Optimal Stepsize.",
      .inputs = {model_types({"FLUX", "Wan", "Chroma"}), steps_input(20, 3, 1000), denoise_input()},
      .run = [](const std::string& type, int64_t steps,
                double denoise) { return SigmaList{optimal_steps_sigmas(type, steps, denoise)}; },
      .v3 = true,
      .module = "comfy_extras.nodes_optimalsteps",
  });
}

void add_edits(Registry& registry) {
  using TwoLists = std::tuple<SigmaList, SigmaList>;
  const auto both = [](SplitOfSigmas split) { return TwoLists{{std::move(split.high)}, {std::move(split.low)}}; };
  registry.add({
      .id = "SplitSigmas",
      .category = kSigmas,
      .about = "Cuts a schedule in two after some steps.",
      .inputs = {socket("sigmas", "SIGMAS"), integer("step", {.value = 0, .min = 0, .max = 10000})},
      .outputs = {{.name = "high_sigmas"}, {.name = "low_sigmas"}},
      .run = [both](const SigmaList& sigmas, int64_t step) { return both(split_sigmas(sigmas.values, step)); },
      .module = kModule,
  });
  registry.add({
      .id = "SplitSigmasDenoise",
      .category = kSigmas,
      .about = "Cuts a schedule in two so that the given share of the steps comes last.",
      .inputs = {socket("sigmas", "SIGMAS"), denoise_input()},
      .outputs = {{.name = "high_sigmas"}, {.name = "low_sigmas"}},
      .run = [both](const SigmaList& sigmas,
                    double denoise) { return both(split_sigmas_by_denoise(sigmas.values, denoise)); },
      .module = kModule,
  });
  registry.add({
      .id = "FlipSigmas",
      .category = kSigmas,
      .about = "The schedule backwards, to turn a picture into noise.",
      .inputs = {socket("sigmas", "SIGMAS")},
      .run = [](const SigmaList& sigmas) { return SigmaList{flip_sigmas(sigmas.values)}; },
      .module = kModule,
  });
  registry.add({
      .id = "SetFirstSigma",
      .category = kSigmas,
      .about = "The schedule with another start.",
      .inputs = {socket("sigmas", "SIGMAS"), number("sigma", 136.0, 0.0, 20000.0, 0.001)},
      .run =
          [](SigmaList sigmas, double sigma) {
            if (sigmas.values.empty()) fail("SetFirstSigma: the schedule has no steps");
            sigmas.values.front() = static_cast<float>(sigma);
            return sigmas;
          },
      .module = kModule,
  });
  registry.add({
      .id = "ExtendIntermediateSigmas",
      .category = kSigmas,
      .about = "Makes several steps of each step within a range of sigmas.",
      .inputs = {socket("sigmas", "SIGMAS"), integer("steps", {.value = 2, .min = 1, .max = 100}),
                 number("start_at_sigma", -1.0, -1.0, 20000.0), number("end_at_sigma", 12.0, 0.0, 20000.0),
                 choice("spacing", {"linear", "cosine", "sine"})},
      .run =
          [](const SigmaList& sigmas, int64_t steps, double start, double end, const std::string& spacing) {
            return SigmaList{extend_sigmas(sigmas.values, steps, start, end, spacing)};
          },
      .module = kModule,
  });
  registry.add({
      .id = "SamplingPercentToSigma",
      .category = kSigmas,
      .about = "The sigma at a share of the sampling.",
      .inputs = {socket("model", "MODEL", {.tooltip = "Whose schedule."}),
                 real("sampling_percent", {.value = 0.0, .min = 0.0, .max = 1.0, .step = 0.0001}),
                 boolean("return_actual_sigma",
                         {.value = false,
                          .tooltip = "At 0 and 1 give the model's own largest and smallest sigma, instead of the "
                                     "numbers that stand for before the start and after the end."})},
      .outputs = {{.name = "sigma_value"}},
      .run = percent_to_sigma,
      .module = kModule,
  });
}

}  // namespace

void add_sigma_nodes(Registry& registry) {
  add_of_model(registry);
  add_by_formula(registry);
  add_published(registry);
  add_edits(registry);
}

}  // namespace easel
