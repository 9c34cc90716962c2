// What takes part inside the network beside a prompt: control networks, adapters, grounding. A conditioning carries
// them; they add to every call of the network that is made for it.
#pragma once
#include "sampling/model_sampling.h"
#include "sampling/network.h"
#include "tensor/weights.h"

namespace easel {

struct ControlStep {
  float sigma = 0;
  const ModelSampling& sampling;
  int64_t entries = 1;            // conditionings in this call: in.x holds as many batches, one after the other
  std::function<Weights()> base;  // the sampled model's weights; empty where there are none to give
};

// Immutable and shared: conditionings with the same controls go through the network together.
class Control {
 public:
  virtual ~Control() = default;
  // in: as the network is about to get it, with what controls before this one have added.
  virtual void add_to(NetInput& in, const ControlStep& step) const = 0;
};
using Controls = std::vector<std::shared_ptr<const Control>>;

}  // namespace easel
