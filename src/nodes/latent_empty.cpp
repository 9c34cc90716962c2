// Empty latents of every family of models to start sampling from.
#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

// A latent's shape by the picture's: channels, pixels to a cell, and for video how many frames follow the first in one
// latent frame (0: a picture).
struct Shape {
  const char *id, *category, *module, *about;
  int64_t channels, cell, frames_per_cell;
  int64_t width, height, length;     // the widgets' values
  int64_t smallest, step, shortest;  // of a side and of the length
  bool v3;
};

constexpr Shape kShapes[] = {
    {"EmptySD3LatentImage", "latent/sd3", "comfy_extras.nodes_sd3", "An empty latent of 16 channels, for SD3 and Flux.",
     16, 8, 0, 1024, 1024, 0, 16, 16, 0, true},
    {"EmptyHunyuanImageLatent", "latent", "comfy_extras.nodes_hunyuan", "An empty latent for Hunyuan Image.", 64, 32, 0,
     2048, 2048, 0, 64, 32, 0, false},
    {"EmptyChromaRadianceLatentImage", "latent/chroma_radiance", "comfy_extras.nodes_chroma_radiance",
     "An empty picture for Chroma Radiance, which samples pixels.", 3, 1, 0, 1024, 1024, 0, 16, 16, 0, true},
    {"EmptyHunyuanLatentVideo", "latent/video", "comfy_extras.nodes_hunyuan",
     "An empty video latent, for Hunyuan Video and Wan.", 16, 8, 4, 848, 480, 25, 16, 16, 1, false},
    {"EmptyMochiLatentVideo", "latent/video", "comfy_extras.nodes_mochi", "An empty video latent for Mochi.", 12, 8, 6,
     848, 480, 25, 16, 16, 7, true},
    {"EmptyCosmosLatentVideo", "latent/video", "comfy_extras.nodes_cosmos", "An empty video latent for Cosmos.", 16, 8,
     8, 1280, 704, 121, 16, 16, 1, true},
    {"EmptyLTXVLatentVideo", "latent/video/ltxv", "comfy_extras.nodes_lt", "An empty video latent for LTX-Video.", 128,
     32, 8, 768, 512, 97, 64, 32, 1, true},
};

Latent empty(const Shape& shape, int64_t width, int64_t height, std::optional<int64_t> length, int64_t batch_size) {
  std::vector<int64_t> sizes = {batch_size, shape.channels};
  if (length) sizes.push_back((*length - 1) / shape.frames_per_cell + 1);
  sizes.insert(sizes.end(), {height / shape.cell, width / shape.cell});
  require_memory(shape.id, sizes);
  return {.samples = at::zeros(sizes)};
}

Node node_of(const Shape& shape) {
  const auto side = [&](const char* name, int64_t value) {
    return integer(name, {.value = value, .min = shape.smallest, .max = kMaxResolution, .step = shape.step});
  };
  Node node{.id = shape.id,
            .category = shape.category,
            .about = shape.about,
            .inputs = {side("width", shape.width), side("height", shape.height)}};
  if (shape.frames_per_cell) {
    node.inputs.push_back(
        integer("length",
                {.value = shape.length, .min = shape.shortest, .max = kMaxResolution, .step = shape.frames_per_cell}));
    node.run = [&shape](int64_t width, int64_t height, int64_t length, int64_t batch_size) {
      return empty(shape, width, height, length, batch_size);
    };
  } else {
    node.run = [&shape](int64_t width, int64_t height, int64_t batch_size) {
      return empty(shape, width, height, std::nullopt, batch_size);
    };
  }
  node.inputs.push_back(integer("batch_size", {.value = 1, .min = 1, .max = 4096}));
  node.v3 = shape.v3;
  node.module = shape.module;
  return node;
}

Latent trim(const Latent& latent, int64_t amount) {
  if (latent.samples.dim() != 5) fail("TrimVideoLatent: the latent is of a picture and has no frames");
  Latent made = latent;
  const int64_t frames = latent.samples.size(2), first = std::min(amount, frames);
  made.samples = latent.samples.narrow(2, first, frames - first);
  return made;
}

}  // namespace

void add_empty_latent_nodes(Registry& registry) {
  for (const Shape& shape : kShapes) registry.add(node_of(shape));
  registry.add({
      .id = "TrimVideoLatent",
      .category = "latent/video",
      .about = "Leaves out the first frames of a video latent.",
      .inputs = {socket("samples", "LATENT"), integer("trim_amount", {.value = 0, .min = 0, .max = 99999})},
      .run = trim,
      .v3 = true,
      .module = "comfy_extras.nodes_wan",
  });
}

}  // namespace easel
