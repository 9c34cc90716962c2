// Steps left out where the network's answer would hardly differ: approximate, and only where asked for.
#pragma once
#include "sampling/guidance.h"

namespace easel {

// Zhou et al. 2025, "Less is Enough: Training-Free Video Diffusion Acceleration via Runtime-Adaptive Caching"
// (EasyCache). What the network adds to its input changes slowly; how much its output would have changed is estimated
// from the change of the input, and while the sum of the estimates stays below the threshold the sum is used again.
struct StepCacheOptions {
  double threshold = 0.2;                           // relative change of the output
  double start_percent = 0.15, end_percent = 0.95;  // part of the schedule where steps may be left out
  bool verbose = false;
};

// One run's memory, for one sequence of inputs: vectors of any shape.
class StepCache {
 public:
  explicit StepCache(double threshold) : threshold_(threshold) {}

  // Whether the output for x may be estimated; counts x as the next step either way.
  bool may_skip(const Tensor& x);
  Tensor estimate(const Tensor& x);  // after may_skip() said yes
  void keep(const Tensor& x, const Tensor& output);

 private:
  const double threshold_;
  Tensor x_, output_, difference_;               // the last step's; difference_: of the last step that was computed
  double moved_ = 0, rate_ = 0, estimated_ = 0;  // rate_: change of the output by change of the input
};

// Around the network: EasyCache. Around the guided prediction, whatever the model: LazyCache.
void add_easy_cache(GuidancePatches&, const StepCacheOptions&);
void add_lazy_cache(GuidancePatches&, const StepCacheOptions&);

}  // namespace easel
