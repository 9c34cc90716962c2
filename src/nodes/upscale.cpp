// Networks that enlarge pictures.
#include "folders/folders.h"
#include "models/upscale/upscale_model.h"
#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/model_cache.h"
#include "nodes/ports.h"

namespace easel {

void add_upscale_nodes(Registry& registry, const Services& services) {
  constexpr const char* kModule = "comfy_extras.nodes_upscale_model";
  registry.add({
      .id = "UpscaleModelLoader",
      .title = "Load Upscale Model",
      .category = "loaders",
      .about = "Loads a network that enlarges pictures.",
      .inputs = {files("model_name", {.folder = "upscale_models"})},
      .run = [&folders = services.folders, &models = services.models](const std::string& name) -> UpscaleModel {
        return models.upscale_model(folders.at("upscale_models", name));
      },
      .v3 = true,
      .module = kModule,
  });
  registry.add({
      .id = "ImageUpscaleWithModel",
      .title = "Upscale Image (using Model)",
      .category = "image/upscaling",
      .about = "Enlarges pictures by the factor the network was made for, in tiles where memory is short.",
      .inputs = {socket("upscale_model", "UPSCALE_MODEL"), socket("image", "IMAGE")},
      .run = [](const UpscaleModel& model, const Image& image) -> Image {
        const int64_t scale = model.network->scale();
        require_memory("ImageUpscaleWithModel",
                       {image.pixels.size(0), image.pixels.size(1) * scale, image.pixels.size(2) * scale, 3});
        return {upscale(model, image.pixels)};
      },
      .v3 = true,
      .module = kModule,
  });
}

}  // namespace easel
