#include "models/diffusion/unet_shape.h"

namespace easel {

UnetShape unet_shape(const Weights& w) {
  UnetShape shape;
  const auto in = w / "input_blocks", out = w / "output_blocks", middle = w / "middle_block" / 1;
  shape.model_channels = in["0.0.weight"].size(0);
  shape.in_channels = in["0.0.weight"].size(1);
  shape.out_channels = w["out.2.weight"].size(0);
  shape.num_res_blocks = {0};
  shape.channel_mult = {1};
  for (int64_t i = 1; i < in.count(); ++i) {
    const auto block = in / i;
    if (block.any("0.op")) {
      shape.num_res_blocks.push_back(0);
      shape.channel_mult.push_back(0);
      continue;
    }
    ++shape.num_res_blocks.back();
    shape.channel_mult.back() = block["0.out_layers.3.weight"].size(0) / shape.model_channels;
    shape.depth_in.push_back((block / 1 / "transformer_blocks").count());
  }
  for (int64_t i = 0; i < out.count(); ++i) shape.depth_out.push_back((out / i / 1 / "transformer_blocks").count());
  shape.depth_middle = middle.any() ? (middle / "transformer_blocks").count() : w.any("middle_block.0") ? -1 : -2;
  if (auto label = w.find("label_emb.0.0.weight")) shape.vector_width = label->size(1);
  for (const auto& name : w.names()) {
    if (name.find("time_stack") != std::string::npos) shape.temporal = true;
    if (shape.context_width == 0 && name.ends_with("transformer_blocks.0.attn2.to_k.weight")) {
      shape.context_width = w[name].size(1);
    }
    if (name.ends_with("1.proj_in.weight")) shape.linear_projections = w[name].dim() == 2;
  }
  return shape;
}

}  // namespace easel
