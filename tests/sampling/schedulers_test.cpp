#include "sampling/schedulers.h"

#include "sampling/published_schedules.h"
#include "sampling/sigma_edits.h"
#include "sampling/toy.h"

namespace easel {
namespace {

ModelSampling sampling_of(const Json& model) {
  const auto type = model["type"].get<std::string>();
  if (type == "flux") return ModelSampling::flux(model["shift"]);
  if (type == "flow") return ModelSampling::discrete_flow(model["shift"], model["multiplier"]);
  return ModelSampling::discrete(type == "eps" ? Prediction::eps : Prediction::v,
                                 {.zero_snr = model.value("zsnr", false)});
}

Tensor second_column(const Json& pairs) {
  Json out = Json::array();
  for (const auto& pair : pairs) out.push_back(pair[1]);
  return tensor_of(out);
}

template <class Function>
Tensor map_first(const Json& pairs, Function function) {
  std::vector<float> out;
  for (const auto& pair : pairs) out.push_back(static_cast<float>(function(pair[0].get<double>())));
  return at::tensor(out);
}

TEST(ModelSampling, Parity) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sampling/model_sampling");
  for (const auto& test : golden.cases()) {
    const auto name = test["case"].get<std::string>();
    const auto& p = test["params"];
    const auto& expected = test["outputs"];
    const auto model = sampling_of(p["model"]);
    EXPECT_EQ(model.sigmas().numel(), expected["n_sigmas"].get<int64_t>());
    for (const auto& [index, sigma] : expected["sigmas_at"].items()) {
      golden.compare(name + "/sigmas[" + index + "]", model.sigmas()[std::stol(index)],
                     at::scalar_tensor(sigma.get<float>()));
    }
    golden.compare(name + "/timestep_of",
                   map_first(expected["timestep_of"], [&](double s) { return model.timestep(static_cast<float>(s)); }),
                   second_column(expected["timestep_of"]));
    golden.compare(
        name + "/sigma_of",
        map_first(expected["sigma_of_timestep"], [&](double t) { return model.sigma(static_cast<float>(t)); }),
        second_column(expected["sigma_of_timestep"]));
    golden.compare(name + "/percent_to_sigma",
                   map_first(expected["percent_to_sigma"], [&](double t) { return model.percent_to_sigma(t); }),
                   second_column(expected["percent_to_sigma"]));

    const auto x = golden.input(test["inputs"]["x"]), output = golden.input(test["inputs"]["model_output"]);
    const auto latent = golden.input(test["inputs"]["latent"]), sigmas = tensor_of(p["x_sigmas"]);
    const auto sigma = [&](const char* key) { return at::scalar_tensor(p[key].get<float>()); };
    golden.compare(test, "input", model.calculate_input(sigmas, x));
    golden.compare(test, "denoised", model.calculate_denoised(sigmas, output, x));
    golden.compare(test, "noise_scaled", model.noise_scaling(sigma("noise_scaling_sigma"), x, latent));
    golden.compare(test, "noise_scaled_max", model.noise_scaling(sigma("noise_scaling_max_sigma"), x, latent, true));
    golden.compare(test, "inverse", model.inverse_noise_scaling(sigma("inverse_sigma"), x));
  }
}

TEST(Schedulers, Parity) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sampling/sigmas");
  for (const auto& test : golden.cases()) {
    const auto& p = test["params"];
    const auto mine = ksampler_sigmas(sampling_of(p["model"]), p["scheduler"].get<std::string>(),
                                      p["sampler"].get<std::string>(), p["steps"], p["denoise"]);
    const auto& sigmas = test["outputs"]["sigmas"];
    if (sigmas[0] == "NaN") {  // ComfyUI divides 0 by 0 here; a known difference
      EXPECT_EQ(mine, (Sigmas{sampling_of(p["model"]).sigma_max(), 0.0f})) << test["case"];
      continue;
    }
    golden.compare(test["case"].get<std::string>(), at::tensor(mine), tensor_of(sigmas));
  }
}

// The sigma nodes that are a scheduler with other arguments.
TEST(Schedulers, ParityOfSigmaNodes) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sampling/sigma_nodes");
  for (const auto& test : golden.cases()) {
    const auto& in = test["params"]["inputs"];
    const auto node = test["params"]["node"].get<std::string>();
    if (test.contains("raises") || node == "SamplingPercentToSigma") continue;  // a single number; see ModelSampling
    Sigmas mine;
    std::optional<Sigmas> low;
    Sigmas given;
    for (const auto& sigma : test["params"].value("sigmas", Json::array())) given.push_back(sigma.get<float>());
    if (node == "KarrasScheduler") {
      mine = karras_sigmas(in["steps"], in["sigma_min"], in["sigma_max"], in["rho"]);
    } else if (node == "ExponentialScheduler") {
      mine = polyexponential_sigmas(in["steps"], in["sigma_min"], in["sigma_max"]);
    } else if (node == "PolyexponentialScheduler") {
      mine = polyexponential_sigmas(in["steps"], in["sigma_min"], in["sigma_max"], in["rho"]);
    } else if (node == "LaplaceScheduler") {
      mine = laplace_sigmas(in["steps"], in["sigma_min"], in["sigma_max"], in["mu"], in["beta"]);
    } else if (node == "VPScheduler") {
      mine = vp_sigmas(in["steps"], in["beta_d"], in["beta_min"], in["eps_s"]);
    } else if (node == "SDTurboScheduler") {
      mine = turbo_sigmas(sampling_of(test["params"]["model"]), in["steps"], in["denoise"]);
    } else if (node == "BasicScheduler") {
      mine = ksampler_sigmas(sampling_of(test["params"]["model"]), in["scheduler"].get<std::string>(), "euler",
                             in["steps"], in["denoise"]);
    } else if (node == "AlignYourStepsScheduler") {
      mine = align_your_steps_sigmas(in["model_type"].get<std::string>(), in["steps"], in["denoise"]);
    } else if (node == "OptimalStepsScheduler") {
      mine = optimal_steps_sigmas(in["model_type"].get<std::string>(), in["steps"], in["denoise"]);
    } else if (node == "SplitSigmas" || node == "SplitSigmasDenoise") {
      const auto split =
          node == "SplitSigmas" ? split_sigmas(given, in["step"]) : split_sigmas_by_denoise(given, in["denoise"]);
      mine = split.high;
      low = split.low;
    } else if (node == "FlipSigmas") {
      mine = flip_sigmas(given);
    } else if (node == "ExtendIntermediateSigmas") {
      mine =
          extend_sigmas(given, in["steps"], in["start_at_sigma"], in["end_at_sigma"], in["spacing"].get<std::string>());
    } else if (node == "BetaSamplingScheduler") {
      mine = beta_sigmas(sampling_of(test["params"]["model"]), in["steps"], in["alpha"], in["beta"]);
    } else {
      printf("%-44s not in this room\n", test["case"].get<std::string>().c_str());
      continue;
    }
    if (low)
      golden.compare(test["case"].get<std::string>() + "/low", at::tensor(*low), tensor_of(test["outputs"]["out1"]));
    // exp(small) - 1 loses digits, which ones depends on the vector width
    golden.compare(test["case"].get<std::string>(), at::tensor(mine), tensor_of(test["outputs"]["out0"]),
                   node == "VPScheduler" ? 20 : 1);
  }
}

// A few recorded schedules of SD1.5, so that they are checked where the parity kit is absent.
TEST(Schedulers, FourStepsOfStableDiffusion) {
  const std::map<std::string, std::vector<float>> expected{
      {"simple", {14.614641f, 4.0817294f, 1.6128862f, 0.69320488f, 0}},
      {"ddim_uniform", {4.1166964f, 1.623692f, 0.69839811f, 0.041314412f, 0}},
      {"kl_optimal", {14.614633f, 1.597066f, 0.57291418f, 0.029167159f, 0}},
      {"linear_quadratic", {14.614641f, 14.431958f, 14.249275f, 10.595615f, 0}},
  };
  for (const auto& [name, sigmas] : expected) {
    EXPECT_TRUE(at::allclose(at::tensor(make_sigmas(name, ModelSampling(), 4)), at::tensor(sigmas), 1e-6, 1e-7))
        << name;
  }
}

TEST(Schedulers, NamesAreComfyUis) {
  const std::vector<std::string_view> expected{"simple",      "sgm_uniform",      "karras",
                                               "exponential", "ddim_uniform",     "beta",
                                               "normal",      "linear_quadratic", "kl_optimal"};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), scheduler_names().begin(), scheduler_names().end()));
  EXPECT_EQ(sampler_names().size(), 42u);
}

TEST(Schedulers, EverySchedulerDescendsToZeroForAnyNumberOfSteps) {
  for (const auto& model : {ModelSampling(), ModelSampling::discrete_flow(3.0), ModelSampling::flux()}) {
    for (const auto name : scheduler_names()) {
      for (const int64_t steps : {1, 2, 3, 20, 1000, 5000}) {
        const auto sigmas = make_sigmas(name, model, steps);
        ASSERT_GE(sigmas.size(), 2u) << name;
        EXPECT_EQ(sigmas.back(), 0.0f) << name;
        for (size_t i = 1; i < sigmas.size(); ++i) {
          ASSERT_LE(sigmas[i], sigmas[i - 1]) << name << " " << steps;
        }
      }
    }
  }
}

TEST(Schedulers, DenoiseKeepsTheEnd) {
  const ModelSampling model;
  const auto whole = ksampler_sigmas(model, "normal", "euler", 40),
             half = ksampler_sigmas(model, "normal", "euler", 20, 0.5);
  EXPECT_EQ(half, Sigmas(whole.end() - 21, whole.end()));
  EXPECT_TRUE(ksampler_sigmas(model, "normal", "euler", 20, 0.0).empty());
  EXPECT_THROW(make_sigmas("nonsense", model, 20), Error);
  EXPECT_THROW(make_sigmas("normal", model, 0), Error);
}

}  // namespace
}  // namespace easel
