#include "models/diffusion/diffusers_names.h"

#include <fmt/format.h>

#include <array>

namespace easel {

namespace {

using Names = std::vector<std::pair<std::string, std::string>>;
using Pair = std::pair<const char*, const char*>;

constexpr std::array<Pair, 6> kResBlock{{{"norm1", "in_layers.0"},
                                         {"conv1", "in_layers.2"},
                                         {"time_emb_proj", "emb_layers.1"},
                                         {"norm2", "out_layers.0"},
                                         {"conv2", "out_layers.3"},
                                         {"conv_shortcut", "skip_connection"}}};
constexpr std::array<Pair, 9> kOutside{{{"conv_in", "input_blocks.0.0"},
                                        {"conv_norm_out", "out.0"},
                                        {"conv_out", "out.2"},
                                        {"time_embedding.linear_1", "time_embed.0"},
                                        {"time_embedding.linear_2", "time_embed.2"},
                                        {"class_embedding.linear_1", "label_emb.0.0"},
                                        {"class_embedding.linear_2", "label_emb.0.2"},
                                        {"add_embedding.linear_1", "label_emb.0.0"},
                                        {"add_embedding.linear_2", "label_emb.0.2"}}};
constexpr std::array kProjections{"norm", "proj_in", "proj_out"};
// The weights of a transformer block; both layouts give them the same names.
constexpr std::array kTransformer{
    "norm1.weight",        "norm1.bias",           "norm2.weight",       "norm2.bias",        "norm3.weight",
    "norm3.bias",          "attn1.to_q.weight",    "attn1.to_k.weight",  "attn1.to_v.weight", "attn1.to_out.0.weight",
    "attn1.to_out.0.bias", "attn2.to_q.weight",    "attn2.to_k.weight",  "attn2.to_v.weight", "attn2.to_out.0.weight",
    "attn2.to_out.0.bias", "ff.net.0.proj.weight", "ff.net.0.proj.bias", "ff.net.2.weight",   "ff.net.2.bias"};

void add_module(Names& names, const std::string& theirs, const std::string& ours) {
  for (const char* part : {".weight", ".bias"}) names.emplace_back(theirs + part, ours + part);
}

void add_res_block(Names& names, const std::string& theirs, const std::string& ours) {
  for (auto [a, b] : kResBlock) add_module(names, theirs + "." + a, ours + "." + b);
}

void add_attention(Names& names, const std::string& theirs, const std::string& ours, int64_t depth) {
  for (const char* part : kProjections) add_module(names, theirs + "." + part, ours + "." + part);
  for (int64_t t = 0; t < depth; ++t) {
    const auto block = fmt::format(".transformer_blocks.{}.", t);
    for (const char* part : kTransformer) names.emplace_back(theirs + block + part, ours + block + part);
  }
}

}  // namespace

Names diffusers_unet_names(const UnetShape& shape) {
  Names names;
  size_t in_depth = 0, out_depth = 0;
  const auto levels = static_cast<int64_t>(shape.num_res_blocks.size());
  for (int64_t level = 0, n = 1; level < levels; ++level, ++n) {
    const int64_t blocks = shape.num_res_blocks[level];
    for (int64_t i = 0; i < blocks; ++i, ++n) {
      const auto ours = fmt::format("input_blocks.{}", n), theirs = fmt::format("down_blocks.{}", level);
      add_res_block(names, fmt::format("{}.resnets.{}", theirs, i), ours + ".0");
      const int64_t depth = shape.depth_in.at(in_depth++);
      if (depth > 0) add_attention(names, fmt::format("{}.attentions.{}", theirs, i), ours + ".1", depth);
    }
    add_module(names, fmt::format("down_blocks.{}.downsamplers.0.conv", level), fmt::format("input_blocks.{}.0.op", n));
  }
  add_attention(names, "mid_block.attentions.0", "middle_block.1", shape.depth_middle);
  for (int64_t i : {0, 1})
    add_res_block(names, fmt::format("mid_block.resnets.{}", i), fmt::format("middle_block.{}", 2 * i));
  for (int64_t level = 0, n = 0; level < levels; ++level) {
    const int64_t blocks = shape.num_res_blocks[levels - 1 - level] + 1;
    for (int64_t i = 0; i < blocks; ++i, ++n) {
      const auto ours = fmt::format("output_blocks.{}", n), theirs = fmt::format("up_blocks.{}", level);
      add_res_block(names, fmt::format("{}.resnets.{}", theirs, i), ours + ".0");
      const int64_t depth = shape.depth_out.at(out_depth++);
      if (depth > 0) add_attention(names, fmt::format("{}.attentions.{}", theirs, i), ours + ".1", depth);
      if (i + 1 == blocks)
        add_module(names, theirs + ".upsamplers.0.conv", fmt::format("{}.{}.conv", ours, depth > 0 ? 2 : 1));
    }
  }
  for (auto [theirs, ours] : kOutside) add_module(names, theirs, ours);
  return names;
}

UnetShape diffusers_unet_shape(const Weights& w) {
  UnetShape shape;
  const auto down = w / "down_blocks", middle = w / "mid_block" / "attentions" / 0 / "transformer_blocks";
  for (int64_t level = 0; level < down.count(); ++level) {
    const auto block = down / level;
    const int64_t count = (block / "resnets").count();
    shape.num_res_blocks.push_back(count);
    for (int64_t i = 0; i < count; ++i) {
      shape.depth_in.push_back((block / "attentions" / i / "transformer_blocks").count());
    }
  }
  shape.depth_middle = middle.count();
  const auto up = w / "up_blocks";
  for (int64_t level = 0; level < static_cast<int64_t>(shape.num_res_blocks.size()); ++level) {
    const int64_t count = shape.num_res_blocks[shape.num_res_blocks.size() - 1 - static_cast<size_t>(level)] + 1;
    for (int64_t i = 0; i < count; ++i) {
      shape.depth_out.push_back((up / level / "attentions" / i / "transformer_blocks").count());
    }
  }
  return shape;
}

bool is_diffusers_unet(const Tensors& tensors) {
  return tensors.count("down_blocks.0.resnets.0.norm1.weight") && tensors.count("time_embedding.linear_1.weight") &&
         tensors.count("conv_out.weight");
}

Weights diffusers_unet_weights(const TensorFilePtr& file, const std::string& prefix,
                               std::optional<at::ScalarType> held) {
  std::map<std::string, std::string> names;
  for (const auto& [theirs, ours] : diffusers_unet_names(diffusers_unet_shape(Weights(file, "")))) names[theirs] = ours;
  return Weights(
      file,
      [&](const std::string& name) -> std::optional<std::string> {
        auto found = names.find(name);
        return found == names.end() ? std::nullopt : std::optional(prefix + found->second);
      },
      held);
}

}  // namespace easel
