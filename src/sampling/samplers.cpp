#include "sampling/samplers.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "sampling/walks.h"

namespace easel {
namespace {

struct Row {
  std::string_view name;
  Tensor (*run)(Walk&);
  SamplerOptions options = {};
  bool fresh_inpaint_noise = false;
};

// The _gpu names differ only in where ComfyUI draws the Brownian noise, and a CPU gives the same numbers.
constexpr SamplerOptions kHeun{.heun = true};
constexpr SamplerOptions kNoNoise{.eta = 0};
constexpr SamplerOptions kDeterministicThirdOrder{.eta = 0, .order = 3};

constexpr std::array<Row, 42> kSamplers{{
    {"euler", sample_euler},
    {"euler_cfg_pp", sample_euler_cfg_pp},
    {"euler_ancestral", sample_euler_ancestral},
    {"euler_ancestral_cfg_pp", sample_euler_ancestral_cfg_pp},
    {"heun", sample_heun},
    {"heunpp2", sample_heunpp2},
    {"dpm_2", sample_dpm_2},
    {"dpm_2_ancestral", sample_dpm_2_ancestral},
    {"lms", sample_lms},
    {"dpm_fast", sample_dpm_fast, kNoNoise},
    {"dpm_adaptive", sample_dpm_adaptive, kDeterministicThirdOrder},
    {"dpmpp_2s_ancestral", sample_dpmpp_2s_ancestral},
    {"dpmpp_2s_ancestral_cfg_pp", sample_dpmpp_2s_ancestral_cfg_pp},
    {"dpmpp_sde", sample_dpmpp_sde},
    {"dpmpp_sde_gpu", sample_dpmpp_sde},
    {"dpmpp_2m", sample_dpmpp_2m},
    {"dpmpp_2m_cfg_pp", sample_dpmpp_2m_cfg_pp},
    {"dpmpp_2m_sde", sample_dpmpp_2m_sde},
    {"dpmpp_2m_sde_gpu", sample_dpmpp_2m_sde},
    {"dpmpp_2m_sde_heun", sample_dpmpp_2m_sde, kHeun},
    {"dpmpp_2m_sde_heun_gpu", sample_dpmpp_2m_sde, kHeun},
    {"dpmpp_3m_sde", sample_dpmpp_3m_sde},
    {"dpmpp_3m_sde_gpu", sample_dpmpp_3m_sde},
    {"ddpm", sample_ddpm},
    {"lcm", sample_lcm},
    {"ipndm", sample_ipndm},
    {"ipndm_v", sample_ipndm_v},
    {"deis", sample_deis},
    {"res_multistep", sample_res_multistep, kNoNoise},
    {"res_multistep_cfg_pp", sample_res_multistep_cfg_pp, kNoNoise},
    {"res_multistep_ancestral", sample_res_multistep},
    {"res_multistep_ancestral_cfg_pp", sample_res_multistep_cfg_pp},
    {"gradient_estimation", sample_gradient_estimation},
    {"gradient_estimation_cfg_pp", sample_gradient_estimation_cfg_pp},
    {"er_sde", sample_er_sde},
    {"seeds_2", sample_seeds_2},
    {"seeds_3", sample_seeds_3},
    {"sa_solver", sample_sa_solver},
    {"sa_solver_pece", sample_sa_solver_pece},
    {"ddim", sample_euler, {}, true},
    {"uni_pc", sample_uni_pc},
    {"uni_pc_bh2", sample_uni_pc_bh2},
}};

const Row* find(std::string_view name) {
  const auto row = std::find_if(kSamplers.begin(), kSamplers.end(), [&](const Row& r) { return r.name == name; });
  return row == kSamplers.end() ? nullptr : &*row;
}

}  // namespace

std::span<const std::string_view> sampler_names() {
  static const auto names = [] {
    std::array<std::string_view, kSamplers.size()> out;
    std::transform(kSamplers.begin(), kSamplers.end(), out.begin(), [](const Row& row) { return row.name; });
    return out;
  }();
  return names;
}

bool has_sampler(std::string_view name) { return find(name) != nullptr; }

Sampler make_sampler(std::string_view name) {
  const Row* row = find(name);
  if (!row) {
    fail("make_sampler: unknown sampler '{}'", name);
  }
  return {std::string(name), row->run, row->options, row->fresh_inpaint_noise};
}

}  // namespace easel
