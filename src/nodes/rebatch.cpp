// Batches of another size.
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

// All images of all batches, in batches of the first size given; the last may be smaller.
std::vector<Image> rebatch_images(const std::vector<Image>& images, const std::vector<int64_t>& batch_size) {
  std::vector<Tensor> singles;
  for (const Image& batch : images)
    for (const Tensor& image : batch.pixels.split(1)) singles.push_back(image);
  std::vector<Image> batches;
  const auto size = static_cast<size_t>(std::max<int64_t>(1, batch_size.at(0)));
  for (size_t first = 0; first < singles.size(); first += size)
    batches.push_back({at::cat(at::TensorList(singles).slice(first, std::min(size, singles.size() - first)))});
  return batches;
}

}  // namespace

void add_rebatch_nodes(Registry& registry) {
  registry.add({
      .id = "RebatchImages",
      .title = "Rebatch Images",
      .category = "image/batch",
      .about = "Puts images together into batches of another size.",
      .inputs = {socket("images", "IMAGE"), integer("batch_size", {.value = 1, .min = 1, .max = 4096})},
      .run = rebatch_images,
      .v3 = true,
      .module = "comfy_extras.nodes_rebatch",
  });
}

}  // namespace easel
