// CONTROL_NET: a network that reads a picture of hints and adds to the U-Net's blocks, and what applying one to a
// prompt means.
#pragma once
#include "sampling/control.h"
#include "tensor/precision.h"
#include "tensor/weights.h"

namespace easel {

// A loaded network. Immutable; any thread.
class ControlModel {
 public:
  virtual ~ControlModel() = default;
  // The size in pixels that hints for a latent of rows × columns have.
  virtual std::pair<int64_t, int64_t> hint_size(int64_t rows, int64_t columns) const { return {8 * rows, 8 * columns}; }
  // hint [B or 1, C, H, W] of that size in 0..1; types: which kinds of hint, for networks that know several. base: the
  // sampled model's weights.
  virtual Residuals run(const NetInput& in, const Tensor& hint, const std::vector<int64_t>& types,
                        const std::function<Weights()>& base) const = 0;
};

struct ControlNet {
  std::shared_ptr<const ControlModel> model;
  std::vector<int64_t> types;  // SetUnionControlNetType; empty: whatever the network makes of it
  bool averaged = false;       // residuals averaged over the picture (the "shuffle" networks)
};

struct ControlUse {
  Tensor image;  // [B, H, W, C] in 0..1
  double strength = 1, start_percent = 0, end_percent = 1;
};

std::shared_ptr<const Control> applied(const ControlNet& net, const ControlUse& use);

// A file of any kind named above. base: the model that a "difference" file is laid over (DiffControlNetLoader). Fails,
// saying what the file is, where it is none.
ControlNet load_control_net(const std::string& path, const Precision& precision,
                            const std::optional<Weights>& base = {});

}  // namespace easel
