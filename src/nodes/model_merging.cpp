// Nodes that mix models.
#include <array>

#include "models/merge.h"
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

constexpr const char* kModule = "comfy_extras.nodes_model_merging";
constexpr const char* kCategory = "advanced/model_merging";

MergeRule mix(double ratio) {
  return [=](const std::string&) { return MergeShare{ratio, 1.0 - ratio}; };
}
MergeRule sum() {
  return [](const std::string&) { return MergeShare{1.0, 1.0}; };
}
MergeRule difference(double multiplier) {
  return [=](const std::string&) { return MergeShare{multiplier, -multiplier}; };
}

// By the part of the U-Net a weight lies in; what lies in none takes the first ratio.
MergeRule blocks(double input, double middle, double out) {
  return [=](const std::string& name) {
    constexpr std::string_view prefix = "diffusion_model.";
    const auto inside = name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name;
    const double ratio = inside.rfind("middle", 0) == 0 ? middle : inside.rfind("out", 0) == 0 ? out : input;
    return MergeShare{ratio, 1.0 - ratio};
  };
}

Input ratio(std::string name, std::string tooltip) {
  return real(std::move(name), {.value = 1.0, .min = 0.0, .max = 1.0, .step = 0.01, .tooltip = std::move(tooltip)});
}
Input multiplier() { return real("multiplier", {.value = 1.0, .min = -10.0, .max = 10.0, .step = 0.01}); }

void add_model_merging(Registry& registry) {
  const auto two = [](std::vector<Input> more = {}) {
    std::vector<Input> inputs{socket("model1", "MODEL"), socket("model2", "MODEL")};
    inputs.insert(inputs.end(), more.begin(), more.end());
    return inputs;
  };
  registry.add({
      .id = "ModelMergeSimple",
      .category = kCategory,
      .about = "Something between two models of the same kind.",
      .inputs = two({ratio("ratio", "1 is the first model, 0 the second.")}),
      .run = [](const Model& a, const Model& b, double share) -> Model { return merged(a, b, mix(share)); },
      .module = kModule,
  });
  registry.add({
      .id = "ModelMergeBlocks",
      .category = kCategory,
      .about = "Something between two models, with a ratio for each part of the U-Net.",
      .inputs = two({ratio("input", "Of the first half, and of what lies in no part."), ratio("middle", ""),
                     ratio("out", "Of the second half.")}),
      .run = [](const Model& a, const Model& b, double input, double middle, double out) -> Model {
        return merged(a, b, blocks(input, middle, out));
      },
      .module = kModule,
  });
  registry.add({
      .id = "ModelMergeAdd",
      .category = kCategory,
      .about = "The weights of both models added.",
      .inputs = two(),
      .run = [](const Model& a, const Model& b) -> Model { return merged(a, b, sum()); },
      .module = kModule,
  });
  registry.add({
      .id = "ModelMergeSubtract",
      .category = kCategory,
      .about = "The difference between two models, times a number.",
      .inputs = two({multiplier()}),
      .run = [](const Model& a, const Model& b, double times) -> Model { return merged(a, b, difference(times)); },
      .module = kModule,
  });
}

// One ratio for each part of a U-Net; a weight takes that of the longest name it begins with, else the first.
template <size_t>
using Ratio = double;

template <size_t... I>
auto merge_parts(const std::vector<std::string>& parts, std::index_sequence<I...>) {
  return [parts](const Model& a, const Model& b, Ratio<I>... given) -> Model {
    const std::array<double, sizeof...(I)> ratios{given...};
    return merged(a, b, [&](const std::string& name) {
      constexpr std::string_view prefix = "diffusion_model.";
      const auto inside = name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : name;
      size_t best = 0, longest = 0;
      for (size_t i = 0; i < parts.size(); ++i) {
        if (inside.rfind(parts[i], 0) != 0 || parts[i].size() <= longest) continue;
        best = i;
        longest = parts[i].size();
      }
      return MergeShare{ratios[best], 1.0 - ratios[best]};
    });
  };
}

// The parts of a U-Net of so many input and output blocks; SDXL's names come without the last dot.
template <size_t blocks>
Node parts_node(const std::string& id, const std::string& family, const char* dot) {
  std::vector<std::string> parts{"time_embed.", "label_emb."};
  auto add = [&](const std::string& name, size_t count) {
    for (size_t i = 0; i < count; ++i) parts.push_back(name + std::to_string(i) + dot);
  };
  add("input_blocks.", blocks);
  add("middle_block.", 3);
  add("output_blocks.", blocks);
  parts.push_back("out.");
  Node node{.id = id,
            .category = "advanced/model_merging/model_specific",
            .about = "Something between two models of " + family + ", with a ratio for each block.",
            .inputs = {socket("model1", "MODEL"), socket("model2", "MODEL")},
            .run = merge_parts(parts, std::make_index_sequence<2 * blocks + 6>()),
            .module = "comfy_extras.nodes_model_merging_model_specific"};
  for (const auto& part : parts) node.inputs.push_back(ratio(part, ""));
  return node;
}

void add_clip_merging(Registry& registry) {
  const auto two = [](std::vector<Input> more = {}) {
    std::vector<Input> inputs{socket("clip1", "CLIP"), socket("clip2", "CLIP")};
    inputs.insert(inputs.end(), more.begin(), more.end());
    return inputs;
  };
  registry.add({
      .id = "CLIPMergeSimple",
      .category = kCategory,
      .about = "Something between two text encoders of the same kind.",
      .inputs = two({ratio("ratio", "1 is the first encoder, 0 the second.")}),
      .run = [](const Clip& a, const Clip& b, double share) -> Clip { return merged(a, b, mix(share)); },
      .module = kModule,
  });
  registry.add({
      .id = "CLIPMergeAdd",
      .category = kCategory,
      .about = "The weights of both text encoders added.",
      .inputs = two(),
      .run = [](const Clip& a, const Clip& b) -> Clip { return merged(a, b, sum()); },
      .module = kModule,
  });
  registry.add({
      .id = "CLIPMergeSubtract",
      .category = kCategory,
      .about = "The difference between two text encoders, times a number.",
      .inputs = two({multiplier()}),
      .run = [](const Clip& a, const Clip& b, double times) -> Clip { return merged(a, b, difference(times)); },
      .module = kModule,
  });
}

}  // namespace

void add_model_merging_nodes(Registry& registry) {
  add_model_merging(registry);
  add_clip_merging(registry);
  registry.add(parts_node<12>("ModelMergeSD1", "Stable Diffusion 1", "."));
  registry.add(parts_node<12>("ModelMergeSD2", "Stable Diffusion 2", "."));
  registry.add(parts_node<9>("ModelMergeSDXL", "Stable Diffusion XL", ""));
}

}  // namespace easel
