// The parity kit's closed-form denoiser in place of a network, and the model samplings its cases name.
#pragma once
#include "parity/golden.h"
#include "sampling/sample.h"

namespace easel {

// Case parameters say "eps", "v", "flow3", "flux".
inline ModelSampling toy_sampling(const std::string& kind) {
  if (kind == "v") return ModelSampling::discrete(Prediction::v);
  if (kind == "flow3") return ModelSampling::discrete_flow(3.0);
  if (kind == "flux") return ModelSampling::flux(1.15);
  return ModelSampling();
}

struct ToyCall {
  std::vector<int64_t> shape;
  float sigma;
  std::vector<int> sides;
  int64_t tokens;
};

// x a(sigma) + 0.1 tanh(3x) sigma/(1+sigma) + 0.2 sin(2x + 4m) sigma/(1+sigma), m = mean of the text per image.
inline Denoiser toy_denoiser(bool flow, std::vector<ToyCall>* calls = nullptr) {
  return [flow, calls](const DenoiseInput& in) {
    constexpr double s2 = 0.36;
    const Tensor sigma = in.sigma.reshape({-1, 1, 1, 1});
    const Tensor a =
        flow ? (1 - sigma) * s2 / ((1 - sigma).square() * s2 + sigma.square()) : s2 / (s2 + sigma.square());
    const Tensor share = sigma / (1 + sigma);
    Tensor out = in.x * a + 0.1 * (3 * in.x).tanh() * share;
    if (in.context.defined()) {
      const Tensor m = in.context.flatten(1).mean(1).reshape({-1, 1, 1, 1});
      out = out + 0.2 * (2 * in.x + 4 * m).sin() * share;
    }
    if (calls) {
      calls->push_back(
          {in.x.sizes().vec(), in.sigma[0].item<float>(), in.sides, in.context.defined() ? in.context.size(1) : 0});
    }
    return out;
  };
}

inline SampleModel toy_model(const std::string& kind, std::vector<ToyCall>* calls = nullptr) {
  SampleModel model;
  model.sampling = toy_sampling(kind);
  model.denoiser = toy_denoiser(model.sampling.is_flow(), calls);
  return model;
}

inline ConditioningList conditioning(const Tensor& cross_attn) {
  Conditioning out;
  out.cross_attn = cross_attn;
  return {out};
}

// The kit's positive and negative texts, or a text without effect.
inline std::pair<ConditioningList, ConditioningList> toy_conditionings(bool with_cond) {
  if (!with_cond) {
    const auto zeros = conditioning(at::zeros({1, 1, 1}));
    return {zeros, zeros};
  }
  return {conditioning(parity::formula("cond.pos", {1, 77, 16}, 0.2, 1.0)),
          conditioning(parity::formula("cond.neg", {1, 77, 16}, -0.1, 1.0))};
}

inline uint64_t seed_of(const Json& seed) {
  return seed.is_string() ? std::stoull(seed.get<std::string>()) : seed.get<uint64_t>();
}

inline Tensor tensor_of(const Json& numbers) {
  std::vector<float> values;
  for (const Json& n : numbers) {
    values.push_back(n.is_string() ? std::stof(n.get<std::string>()) : n.get<float>());
  }
  return at::tensor(values);
}

}  // namespace easel
