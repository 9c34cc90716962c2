// Conditioning nodes: prompts encoded, placed, mixed.
#include "nodes/conditioning_edit.h"
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

ConditioningSet text_encode(const std::string& text, const Clip& clip) {
  const TextEncoding encoding = clip.encode(text);
  return {{Conditioning{.cross_attn = encoding.cross_attn, .pooled = encoding.pooled}}};
}

Clip set_last_layer(const Clip& clip, int64_t layer) { return clip.with_last_layer(static_cast<int>(layer)); }

const Conditioning& first(const char* who, const ConditioningSet& set) {
  if (set.entries.empty()) fail("{}: the conditioning is empty", who);
  return set.entries.front();
}

ConditioningSet combine(const ConditioningSet& a, const ConditioningSet& b) {
  ConditioningSet both = a;
  both.entries.insert(both.entries.end(), b.entries.begin(), b.entries.end());
  return both;
}

// Mixes the first entry of `from` into every entry of `to`; the shorter text is padded with zeros.
ConditioningSet average(const ConditioningSet& to, const ConditioningSet& from, double to_strength) {
  const Conditioning& other = first("ConditioningAverage", from);
  return each(to, [&](Conditioning& entry) {
    const int64_t length = entry.cross_attn.size(1);
    Tensor text = other.cross_attn.narrow(1, 0, std::min(length, other.cross_attn.size(1)));
    if (text.size(1) < length) text = at::constant_pad_nd(text, {0, 0, 0, length - text.size(1)});
    entry.cross_attn = entry.cross_attn * to_strength + text * (1 - to_strength);
    if (!other.pooled.defined()) return;
    const Tensor pooled = entry.pooled.defined() ? entry.pooled : other.pooled;
    entry.pooled = pooled * to_strength + other.pooled * (1 - to_strength);
  });
}

ConditioningSet concat(const ConditioningSet& to, const ConditioningSet& from) {
  const Conditioning& other = first("ConditioningConcat", from);
  return each(to, [&](Conditioning& entry) { entry.cross_attn = at::cat({entry.cross_attn, other.cross_attn}, 1); });
}

ConditioningSet zero_out(const ConditioningSet& set) {
  return each(set, [](Conditioning& entry) {
    entry.cross_attn = at::zeros_like(entry.cross_attn);
    if (entry.pooled.defined()) entry.pooled = at::zeros_like(entry.pooled);
  });
}

ConditioningSet set_area(const ConditioningSet& set, int64_t width, int64_t height, int64_t x, int64_t y,
                         double strength) {
  constexpr int64_t kCell = 8;  // pixels to one of the latent
  return each(set, [&](Conditioning& entry) {
    entry.area = ConditioningArea{.height = static_cast<double>(height / kCell),
                                  .width = static_cast<double>(width / kCell),
                                  .y = static_cast<double>(y / kCell),
                                  .x = static_cast<double>(x / kCell)};
    entry.strength = strength;
    entry.area_from_mask = false;
  });
}

ConditioningSet set_area_percentage(const ConditioningSet& set, double width, double height, double x, double y,
                                    double strength) {
  return each(set, [&](Conditioning& entry) {
    entry.area = ConditioningArea{.height = height, .width = width, .y = y, .x = x, .is_fraction = true};
    entry.strength = strength;
    entry.area_from_mask = false;
  });
}

ConditioningSet set_area_strength(const ConditioningSet& set, double strength) {
  return each(set, [&](Conditioning& entry) { entry.strength = strength; });
}

ConditioningSet set_mask(const ConditioningSet& set, const Mask& mask, double strength, const std::string& where) {
  return each(set, [&](Conditioning& entry) {
    entry.mask = mask.values;
    entry.mask_strength = strength;
    entry.area_from_mask = where != "default";
  });
}

ConditioningSet set_timestep_range(const ConditioningSet& set, double start, double end) {
  return each(set, [&](Conditioning& entry) {
    entry.start_percent = start;
    entry.end_percent = end;
  });
}

Input fraction(std::string name, const Json& value) {
  return real(std::move(name), {.value = value, .min = 0, .max = 1.0, .step = 0.01});
}

Input strength_input() { return real("strength", {.value = 1.0, .min = 0.0, .max = 10.0, .step = 0.01}); }

void add_encoding(Registry& registry) {
  registry.add({
      .id = "CLIPTextEncode",
      .title = "CLIP Text Encode (Prompt)",
      .category = "conditioning",
      .about = "Encodes a prompt with a text encoder, to guide the diffusion model with.",
      .inputs = {text("text", {.multiline = true,
                               .dynamic_prompts = true,
                               .tooltip = "The prompt. (word:1.2) weighs a part of it, \\( is a plain bracket, "
                                          "embedding:name puts in an embedding."}),
                 socket("clip", "CLIP", {.tooltip = "The text encoder."})},
      .outputs = {{.tooltip = "The encoded prompt."}},
      .run = text_encode,
  });
  registry.add({
      .id = "CLIPSetLastLayer",
      .title = "CLIP Set Last Layer",
      .category = "conditioning",
      .about = "Ends the text encoder at an earlier layer: -1 is the last one, -2 the one before.",
      .inputs = {socket("clip", "CLIP"),
                 integer("stop_at_clip_layer", {.value = -1, .min = -24, .max = -1, .step = 1})},
      .run = set_last_layer,
  });
}

void add_mixing(Registry& registry) {
  registry.add({
      .id = "ConditioningCombine",
      .title = "Conditioning (Combine)",
      .category = "conditioning",
      .about = "Both conditionings, each with a prediction of its own.",
      .inputs = {socket("conditioning_1", "CONDITIONING"), socket("conditioning_2", "CONDITIONING")},
      .run = combine,
  });
  registry.add({
      .id = "ConditioningAverage",
      .category = "conditioning",
      .about = "Something between two prompts.",
      .inputs = {socket("conditioning_to", "CONDITIONING"), socket("conditioning_from", "CONDITIONING"),
                 real("conditioning_to_strength", {.value = 1.0, .min = 0.0, .max = 1.0, .step = 0.01})},
      .run = average,
  });
  registry.add({
      .id = "ConditioningConcat",
      .title = "Conditioning (Concat)",
      .category = "conditioning",
      .about = "One prompt after the other, as further tokens.",
      .inputs = {socket("conditioning_to", "CONDITIONING"), socket("conditioning_from", "CONDITIONING")},
      .run = concat,
  });
  registry.add({
      .id = "ConditioningZeroOut",
      .category = "advanced/conditioning",
      .about = "The conditioning with zeros in place of what was encoded.",
      .inputs = {socket("conditioning", "CONDITIONING")},
      .run = zero_out,
  });
}

void add_placing(Registry& registry) {
  const auto side = [](std::string name, int64_t value, int64_t smallest) {
    return integer(std::move(name), {.value = value, .min = smallest, .max = kMaxResolution, .step = 8});
  };
  registry.add({
      .id = "ConditioningSetArea",
      .title = "Conditioning (Set Area)",
      .category = "conditioning",
      .about = "Confines a prompt to a rectangle of the picture, in pixels.",
      .inputs = {socket("conditioning", "CONDITIONING"), side("width", 64, 64), side("height", 64, 64), side("x", 0, 0),
                 side("y", 0, 0), strength_input()},
      .run = set_area,
  });
  registry.add({
      .id = "ConditioningSetAreaPercentage",
      .title = "Conditioning (Set Area with Percentage)",
      .category = "conditioning",
      .about = "Confines a prompt to a rectangle of the picture, in fractions of its sides.",
      .inputs = {socket("conditioning", "CONDITIONING"), fraction("width", 1.0), fraction("height", 1.0),
                 fraction("x", 0), fraction("y", 0), strength_input()},
      .run = set_area_percentage,
  });
  registry.add({
      .id = "ConditioningSetAreaStrength",
      .category = "conditioning",
      .about = "How much a prompt counts against the others.",
      .inputs = {socket("conditioning", "CONDITIONING"), strength_input()},
      .run = set_area_strength,
  });
  registry.add({
      .id = "ConditioningSetMask",
      .title = "Conditioning (Set Mask)",
      .category = "conditioning",
      .about = "Confines a prompt to what a mask covers.",
      .inputs = {socket("conditioning", "CONDITIONING"), socket("mask", "MASK"), strength_input(),
                 choice("set_cond_area", {"default", "mask bounds"})},
      .run = set_mask,
  });
  registry.add({
      .id = "ConditioningSetTimestepRange",
      .category = "advanced/conditioning",
      .about = "Confines a prompt to a part of the sampling: 0 is its start, 1 its end.",
      .inputs = {socket("conditioning", "CONDITIONING"),
                 real("start", {.value = 0.0, .min = 0.0, .max = 1.0, .step = 0.001}),
                 real("end", {.value = 1.0, .min = 0.0, .max = 1.0, .step = 0.001})},
      .run = set_timestep_range,
  });
}

}  // namespace

void add_conditioning_nodes(Registry& registry) {
  add_encoding(registry);
  add_mixing(registry);
  add_placing(registry);
}

}  // namespace easel
