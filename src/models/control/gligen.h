// GLIGEN (Li et al. 2023, "Open-Set Grounded Text-to-Image Generation"): named boxes go into the U-Net by gated
// attention between the two attentions of every transformer block.
#pragma once
#include "sampling/control.h"
#include "tensor/precision.h"

namespace easel {

class GligenModel;

struct Gligen {
  std::shared_ptr<const GligenModel> model;
};

// Where something is, in cells of the latent, and the pooled text that names it, [1, P].
struct GroundedBox {
  Tensor text;
  int64_t height = 0, width = 0, y = 0, x = 0;
};

Gligen load_gligen(const std::string& path, const Precision& precision);

// All boxes of a conditioning. more: boxes added to those of `before`, which may be null; at most 30 count.
std::shared_ptr<const Control> grounded(const Gligen& gligen, const std::shared_ptr<const Control>& before,
                                        const GroundedBox& more);

}  // namespace easel
