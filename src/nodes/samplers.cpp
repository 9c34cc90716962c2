// Nodes that choose a SAMPLER and set its options.
#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"

namespace easel {
namespace {

constexpr const char* kCategory = "sampling/custom_sampling/samplers";
constexpr const char* kModule = "comfy_extras.nodes_custom_sampler";
const std::vector<std::string> kErSdeSolvers = {"ER-SDE", "Reverse-time SDE", "ODE"};

Sampler with_options(std::string_view name, const std::function<void(SamplerOptions&)>& change) {
  Sampler sampler = make_sampler(name);
  change(sampler.options);
  return sampler;
}

// A number of any size, finely set.
Input number(std::string name, double value, double max = 100.0) {
  return real(std::move(name), {.value = value, .min = 0.0, .max = max, .step = 0.01, .round = false});
}
Input eta_input(double value = 1.0, double max = 100.0) { return number("eta", value, max); }
Input noise_input(double max = 100.0) { return number("s_noise", 1.0, max); }
Input device_input() { return choice("noise_device", {"gpu", "cpu"}); }

// The samplers whose only options are how much noise is drawn anew and how strong it is.
void add_ancestral(Registry& registry) {
  struct Row {
    const char *id, *title, *sampler, *about;
    double max_eta, max_noise;
  };
  for (const Row& row :
       {Row{"SamplerEulerAncestral", "", "euler_ancestral", "Euler steps with fresh noise.", 100, 100},
        {"SamplerEulerAncestralCFGPP", "SamplerEulerAncestralCFG++", "euler_ancestral_cfg_pp",
         "Euler steps with fresh noise and CFG++.", 1, 10},
        {"SamplerDPMPP_2S_Ancestral", "", "dpmpp_2s_ancestral", "DPM-Solver++(2S) with fresh noise.", 100, 100}}) {
    registry.add({
        .id = row.id,
        .title = row.title,
        .category = kCategory,
        .about = row.about,
        .inputs = {eta_input(1.0, row.max_eta), noise_input(row.max_noise)},
        .run =
            [sampler = row.sampler](double eta, double s_noise) {
              return with_options(sampler, [&](SamplerOptions& o) {
                o.eta = eta;
                o.s_noise = s_noise;
              });
            },
        .module = kModule,
    });
  }
}

// noise_device says where ComfyUI draws the Brownian noise; here it is always the CPU, whose noise is reproducible.
void add_sde(Registry& registry) {
  registry.add({
      .id = "SamplerDPMPP_3M_SDE",
      .category = kCategory,
      .about = "DPM-Solver++(3M) for the stochastic equation.",
      .inputs = {eta_input(), noise_input(), device_input()},
      .run =
          [](double eta, double s_noise, const std::string&) {
            return with_options("dpmpp_3m_sde", [&](SamplerOptions& o) {
              o.eta = eta;
              o.s_noise = s_noise;
            });
          },
      .module = kModule,
  });
  registry.add({
      .id = "SamplerDPMPP_2M_SDE",
      .category = kCategory,
      .about = "DPM-Solver++(2M) for the stochastic equation.",
      .inputs = {choice("solver_type", {"midpoint", "heun"}), eta_input(), noise_input(), device_input()},
      .run =
          [](const std::string& solver, double eta, double s_noise, const std::string&) {
            return with_options("dpmpp_2m_sde", [&](SamplerOptions& o) {
              o.heun = solver == "heun";
              o.eta = eta;
              o.s_noise = s_noise;
            });
          },
      .module = kModule,
  });
  registry.add({
      .id = "SamplerDPMPP_SDE",
      .category = kCategory,
      .about = "DPM-Solver++ for the stochastic equation, with a stage in between.",
      .inputs = {eta_input(), noise_input(), number("r", 0.5), device_input()},
      .run =
          [](double eta, double s_noise, double r, const std::string&) {
            return with_options("dpmpp_sde", [&](SamplerOptions& o) {
              o.eta = eta;
              o.s_noise = s_noise;
              o.r = r;
            });
          },
      .module = kModule,
  });
  registry.add({
      .id = "SamplerER_SDE",
      .category = kCategory,
      .about = "ER-SDE-Solver: how much noise is drawn anew is chosen by a function of the noise level.",
      .inputs = {choice("solver_type", kErSdeSolvers, {.extra = {{"options", kErSdeSolvers}}}),
                 integer("max_stage", {.value = 3, .min = 1, .max = 3}), eta_input(), noise_input()},
      .run =
          [](const std::string& solver, int64_t max_stage, double eta, double s_noise) {
            return with_options("er_sde", [&](SamplerOptions& o) {
              using Noise = SamplerOptions::Noise;
              o.noise = solver == "ODE" ? Noise::none : solver == "ER-SDE" ? Noise::er : Noise::reverse_time;
              o.max_stage = max_stage;
              o.eta = eta;
              o.s_noise = s_noise;
            });
          },
      .module = kModule,
  });
  registry.add({
      .id = "SamplerSASolver",
      .category = kCategory,
      .about = "A stochastic Adams method, of which a part of the schedule draws fresh noise.",
      .inputs = {socket("model", "MODEL", {.tooltip = "Its schedule says where the percents lie."}),
                 eta_input(1.0, 10.0), real("sde_start_percent", {.value = 0.2, .min = 0.0, .max = 1.0, .step = 0.001}),
                 real("sde_end_percent", {.value = 0.8, .min = 0.0, .max = 1.0, .step = 0.001}), noise_input(),
                 integer("predictor_order", {.value = 3, .min = 1, .max = 6}),
                 integer("corrector_order", {.value = 4, .min = 0, .max = 6}),
                 boolean("use_pece", {.tooltip = "Ask the network again after the correction."}),
                 boolean("simple_order_2", {.tooltip = "A simpler second-order step."})},
      .run =
          [](const Model&, double eta, double start, double end, double s_noise, int64_t predictor, int64_t corrector,
             bool pece, bool simple) {
            return with_options("sa_solver", [&](SamplerOptions& o) {
              o.eta = eta;
              o.s_noise = s_noise;
              o.sde_start_percent = start;
              o.sde_end_percent = end;
              o.predictor_order = predictor;
              o.corrector_order = corrector;
              o.evaluate_corrected = pece;
              o.simple_order_2 = simple;
            });
          },
      .module = kModule,
  });
}

void add_multistep(Registry& registry) {
  registry.add({
      .id = "SamplerLMS",
      .category = kCategory,
      .about = "A linear multistep method.",
      .inputs = {integer("order", {.value = 4, .min = 1, .max = 100})},
      .run = [](int64_t order) { return with_options("lms", [&](SamplerOptions& o) { o.order = order; }); },
      .module = kModule,
  });
  registry.add({
      .id = "SamplerDPMAdaptative",
      .category = kCategory,
      .about = "DPM-Solver with steps as small as the error wants them.",
      .inputs = {integer("order", {.value = 3, .min = 2, .max = 3}), number("rtol", 0.05), number("atol", 0.0078),
                 number("h_init", 0.05), number("pcoeff", 0.0), number("icoeff", 1.0), number("dcoeff", 0.0),
                 number("accept_safety", 0.81), eta_input(0.0), noise_input()},
      .run =
          [](int64_t order, double rtol, double atol, double h_init, double pcoeff, double icoeff, double dcoeff,
             double accept_safety, double eta, double s_noise) {
            return with_options("dpm_adaptive", [&](SamplerOptions& o) {
              o.order = order;
              o.rtol = rtol;
              o.atol = atol;
              o.h_init = h_init;
              o.pcoeff = pcoeff;
              o.icoeff = icoeff;
              o.dcoeff = dcoeff;
              o.accept_safety = accept_safety;
              o.eta = eta;
              o.s_noise = s_noise;
            });
          },
      .module = kModule,
  });
}

void add_advanced(Registry& registry) {
  registry.add({
      .id = "SamplerLCMUpscale",
      .category = kCategory,
      .about = "LCM sampling in which the picture grows while it is made.",
      .inputs = {real("scale_ratio", {.value = 1.0, .min = 0.1, .max = 20.0, .step = 0.01}),
                 integer("scale_steps", {.value = -1, .min = -1, .max = 1000, .step = 1}),
                 choice("upscale_method", {"bislerp", "nearest-exact", "bilinear", "area", "bicubic"})},
      .run =
          [](double ratio, int64_t steps, const std::string& method) {
            return lcm_upscale_sampler(ratio, steps, [method](const Tensor& x, int64_t width, int64_t height) {
              return resize(x, width, height, method, false);
            });
          },
      .v3 = true,
      .module = "comfy_extras.nodes_advanced_samplers",
  });
  registry.add({
      .id = "SamplerEulerCFGpp",
      .title = "SamplerEulerCFG++",
      .category = "_for_testing",
      .about = "Euler steps with CFG++.",
      .inputs = {choice("version", {"regular", "alternative"})},
      .run = [](const std::string& version) { return euler_cfg_pp_sampler(version == "alternative"); },
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_advanced_samplers",
  });
}

}  // namespace

void add_sampler_nodes(Registry& registry) {
  registry.add({
      .id = "KSamplerSelect",
      .category = kCategory,
      .about = "A sampler by its name.",
      .inputs = {choice("sampler_name", {sampler_names().begin(), sampler_names().end()})},
      .run = [](const std::string& name) { return make_sampler(name); },
      .module = kModule,
  });
  add_ancestral(registry);
  add_sde(registry);
  add_multistep(registry);
  add_advanced(registry);
}

}  // namespace easel
