#include "sampling/step_cache.h"

#include <gtest/gtest.h>

#include "sampling/toy.h"

namespace easel {
namespace {

struct Drawn {
  std::vector<ToyCall> calls;
  Tensor out;
};

Drawn draw(void (*add)(GuidancePatches&, const StepCacheOptions&), const StepCacheOptions& options, double cfg = 4,
           bool flow = false) {
  Drawn drawn;
  const auto [positive, negative] = toy_conditionings(true);
  SampleRequest request{.model = toy_model(flow ? "flow3" : "eps", &drawn.calls),
                        .positive = positive,
                        .negative = negative,
                        .cfg = cfg,
                        .steps = 30};
  if (add) add(request.model.patches, options);
  request.latent_image = at::zeros({1, 4, 8, 8});
  request.noise = prepare_noise(request.latent_image, 7);
  drawn.out = sample(request);
  return drawn;
}

double difference(const Tensor& a, const Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

TEST(StepCache, LeavesOutCallsAndStaysNear) {
  for (const auto add : {add_easy_cache, add_lazy_cache}) {
    for (const bool flow : {false, true}) {
      const Drawn exact = draw(nullptr, {}, 4, flow), rough = draw(add, {.threshold = 0.1}, 4, flow);
      EXPECT_LT(rough.calls.size(), exact.calls.size());
      EXPECT_GT(rough.calls.size(), exact.calls.size() / 4);
      EXPECT_LT(difference(rough.out, exact.out), 0.2);
      EXPECT_GT(difference(rough.out, exact.out), 0);
      // The bolder the threshold, the fewer calls.
      EXPECT_LE(draw(add, {.threshold = 0.5}, 4, flow).calls.size(), rough.calls.size());
    }
  }
}

TEST(StepCache, AThresholdOfZeroOrAnEmptyWindowIsExact) {
  const Drawn exact = draw(nullptr, {});
  for (const auto add : {add_easy_cache, add_lazy_cache}) {
    for (const StepCacheOptions& options :
         {StepCacheOptions{.threshold = 0}, StepCacheOptions{.start_percent = 1, .end_percent = 1},
          StepCacheOptions{.start_percent = 0.6, .end_percent = 0.4}}) {
      const Drawn same = draw(add, options);
      EXPECT_EQ(same.calls.size(), exact.calls.size());
      EXPECT_TRUE(same.out.equal(exact.out));
    }
  }
}

TEST(StepCache, TheBeginningAndTheEndAreComputed) {
  const Drawn exact = draw(nullptr, {});
  for (const auto add : {add_easy_cache, add_lazy_cache}) {
    const Drawn rough = draw(add, {.threshold = 3.0});
    const ModelSampling sampling;
    const auto outside = [&](const std::vector<ToyCall>& calls) {
      return std::count_if(calls.begin(), calls.end(), [&](const ToyCall& call) {
        return call.sigma > sampling.percent_to_sigma(0.15) || call.sigma < sampling.percent_to_sigma(0.95);
      });
    };
    EXPECT_EQ(outside(rough.calls), outside(exact.calls));
  }
}

TEST(StepCache, EachRunStartsAnew) {
  SampleRequest request{.model = toy_model("eps"), .positive = toy_conditionings(true).first, .cfg = 1, .steps = 12};
  add_easy_cache(request.model.patches, {.threshold = 0.3});
  add_lazy_cache(request.model.patches, {.threshold = 0.3});
  request.latent_image = at::zeros({1, 4, 8, 8});
  request.noise = prepare_noise(request.latent_image, 7);
  const Tensor first = sample(request);
  EXPECT_TRUE(sample(request).equal(first));
}

// A network remembers what it made of a context by the tensor itself, so it must be the same one at every step.
TEST(Predictor, ContextsAreTheSameTensorsAtEveryStep) {
  std::vector<Tensor> contexts;
  const auto [positive, negative] = toy_conditionings(true);
  SampleRequest request{.model = toy_model("eps"), .positive = positive, .negative = negative, .cfg = 4, .steps = 5};
  request.model.denoiser = [&](const DenoiseInput& in) {
    contexts.push_back(in.context);
    return in.x * 0.5;
  };
  request.latent_image = at::zeros({1, 4, 8, 8});
  request.noise = prepare_noise(request.latent_image, 7);
  sample(request);
  ASSERT_EQ(contexts.size(), 5u) << "both sides in one call";
  for (const Tensor& context : contexts) EXPECT_TRUE(context.is_same(contexts[0]));
}

}  // namespace
}  // namespace easel
