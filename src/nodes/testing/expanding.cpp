// Nodes that put graphs in their place.
#include "graph/graph_builder.h"
#include "nodes/testing/testing.h"

namespace easel {
namespace {

using testing::flat_image;

NodeBuilder& stub_mask(GraphBuilder& graph, double value) {
  return graph.node("StubMask")
      .set("value", Json(value))
      .set("height", Json(testing::kSide))
      .set("width", Json(testing::kSide))
      .set("batch_size", Json(1));
}

NodeBuilder& stub_image(GraphBuilder& graph, const char* content) {
  return graph.node("StubImage")
      .set("content", content)
      .set("height", Json(testing::kSide))
      .set("width", Json(testing::kSide))
      .set("batch_size", Json(1));
}

NodeBuilder& sleep(GraphBuilder& graph, const Image& image, double seconds) {
  return graph.node("TestSleep").set("value", Value::of(image)).set("seconds", Json(seconds));
}

// The average of some nodes' first outputs.
Returned average_of(GraphBuilder& graph, const std::vector<NodeBuilder*>& nodes) {
  auto& average = graph.node("TestVariadicAverage");
  for (size_t i = 0; i < nodes.size(); ++i) average.set("input" + std::to_string(i + 1), nodes[i]->link(0));
  return graph.expand({average.out(0)});
}

// Two nodes that wait for each other.
Returned cycle(Context& context, const Image& input1, const Image& input2) {
  GraphBuilder graph(context.graph_prefix());
  auto& mask = stub_mask(graph, 0.5);
  auto& one = graph.node("TestLazyMixImages").set("image1", Value::of(input1)).set("mask", mask.link(0));
  auto& two = graph.node("TestLazyMixImages")
                  .set("image1", one.link(0))
                  .set("image2", Value::of(input2))
                  .set("mask", mask.link(0));
  one.set("image2", two.link(0));
  return graph.expand({two.out(0)});
}

// Plain up to 0.2, a graph above: grey of 0.1, 0.2 or 0.3, and white.
Returned mixed(Context& context, double input1) {
  const Value white = Value::of(flat_image(1));
  if (input1 <= 0.2) return {.slots = {{Value::of(flat_image(input1 <= 0.1 ? 0.1 : 0.2))}, {white}}};
  GraphBuilder graph(context.graph_prefix());
  auto& mask = stub_mask(graph, 0.3);
  auto& black = stub_image(graph, "BLACK");
  auto& bright = stub_image(graph, "WHITE");
  auto& mix = graph.node("TestLazyMixImages")
                  .set("image1", black.link(0))
                  .set("image2", bright.link(0))
                  .set("mask", mask.link(0));
  return graph.expand({mix.out(0), white});
}

Returned parallel_sleep(Context& context, const Image& image1, const Image& image2, const Image& image3, double sleep1,
                        double sleep2, double sleep3) {
  GraphBuilder graph(context.graph_prefix());
  return average_of(graph,
                    {&sleep(graph, image1, sleep1), &sleep(graph, image2, sleep2), &sleep(graph, image3, sleep3)});
}

Returned many_asleep(Context& context, const Image& image1, const Image& image2, int64_t count, double seconds) {
  GraphBuilder graph(context.graph_prefix());
  std::vector<NodeBuilder*> nodes;
  for (int64_t i = 0; i < count; ++i) nodes.push_back(&sleep(graph, i % 2 ? image2 : image1, seconds));
  if (count == 1) return graph.expand({nodes[0]->out(0)});
  return average_of(graph, nodes);
}

// Text to image, with what is loaded outside.
Returned text_to_image(Context& context, const Value& model, const Value& clip, const Value& vae, int64_t seed,
                       int64_t steps, double cfg, const std::string& prompt, const std::string& negative_prompt) {
  GraphBuilder graph(context.graph_prefix());
  auto& latent = graph.node("EmptyLatentImage")
                     .set("width", Json(testing::kSide))
                     .set("height", Json(testing::kSide))
                     .set("batch_size", Json(1));
  auto& positive = graph.node("CLIPTextEncode").set("clip", clip).set("text", Json(prompt));
  auto& negative = graph.node("CLIPTextEncode").set("clip", clip).set("text", Json(negative_prompt));
  auto& sampler = graph.node("KSampler")
                      .set("model", model)
                      .set("positive", positive.link(0))
                      .set("negative", negative.link(0))
                      .set("latent_image", latent.link(0));
  sampler.set("seed", Json(seed)).set("steps", Json(steps)).set("cfg", Json(cfg)).set("denoise", Json(1.0));
  sampler.set("sampler_name", "euler_ancestral").set("scheduler", "normal");
  auto& decode = graph.node("VAEDecode").set("samples", sampler.link(0)).set("vae", vae);
  return graph.expand({decode.out(0)});
}

}  // namespace

void add_expanding_nodes(Registry& registry) {
  const auto add = [&](Node node) { testing::add(registry, std::move(node)); };
  const std::vector<Output> image = {{.type = "IMAGE"}};
  const auto seconds = [](const char* name) {
    return real(name, {.value = 0.5, .min = 0.0, .max = 100.0, .step = 0.01});
  };

  add({.id = "TestDynamicDependencyCycle",
       .inputs = {socket("input1", "IMAGE"), socket("input2", "IMAGE")},
       .outputs = image,
       .run = cycle});
  add({.id = "TestMixedExpansionReturns",
       .inputs = {real("input1")},
       .outputs = {{.type = "IMAGE"}, {.type = "IMAGE"}},
       .run = mixed});
  add({.id = "TestParallelSleep",
       .inputs = {socket("image1", "IMAGE"), socket("image2", "IMAGE"), socket("image3", "IMAGE"), seconds("sleep1"),
                  seconds("sleep2"), seconds("sleep3")},
       .outputs = image,
       .run = parallel_sleep,
       .is_output = true,
       .hidden = {{"unique_id", "UNIQUE_ID"}}});
  add({.id = "TestDynamicAsyncGeneration",
       .inputs = {socket("image1", "IMAGE"), socket("image2", "IMAGE"),
                  integer("num_async_nodes", {.value = 3, .min = 1, .max = 10}),
                  real("sleep_duration", {.value = 0.2, .min = 0.1, .max = 1.0})},
       .outputs = image,
       .run = many_asleep});
  add({.id = "TestSamplingInExpansion",
       .inputs = {socket("model", "MODEL"), socket("clip", "CLIP"), socket("vae", "VAE"),
                  integer("seed", {.value = 0, .min = 0, .max = UINT64_MAX}),
                  integer("steps", {.value = 20, .min = 1, .max = 100}),
                  real("cfg", {.value = 7.0, .min = 0.0, .max = 30.0}),
                  text("prompt", {.value = "a beautiful landscape"}),
                  text("negative_prompt", {.value = "blurry, bad quality"})},
       .outputs = image,
       .run = text_to_image});
}

}  // namespace easel
