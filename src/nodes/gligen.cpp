// Boxes with names: GLIGEN.
#include "models/control/gligen.h"

#include "folders/folders.h"
#include "nodes/conditioning_edit.h"
#include "nodes/families.h"
#include "nodes/model_cache.h"
#include "nodes/ports.h"

namespace easel {

void add_gligen_nodes(Registry& registry, const Services& services) {
  registry.add({
      .id = "GLIGENLoader",
      .category = "loaders",
      .about = "Loads a GLIGEN model, which puts named things into boxes.",
      .inputs = {files("gligen_name", {.folder = "gligen"})},
      .run = [&folders = services.folders, &models = services.models](const std::string& name) -> Gligen {
        return models.gligen(folders.at("gligen", name));
      },
  });
  const auto side = [](std::string name, int64_t value, int64_t smallest) {
    return integer(std::move(name), {.value = value, .min = smallest, .max = kMaxResolution, .step = 8});
  };
  registry.add({
      .id = "GLIGENTextBoxApply",
      .category = "conditioning/gligen",
      .about = "Asks for something, named by a text, in a box of the picture.",
      .inputs = {socket("conditioning_to", "CONDITIONING"), socket("clip", "CLIP"),
                 socket("gligen_textbox_model", "GLIGEN"), text("text", {.multiline = true, .dynamic_prompts = true}),
                 side("width", 64, 8), side("height", 64, 8), side("x", 0, 0), side("y", 0, 0)},
      .run = [](const ConditioningSet& set, const Clip& clip, const Gligen& gligen, const std::string& text,
                int64_t width, int64_t height, int64_t x, int64_t y) -> ConditioningSet {
        constexpr int64_t kCell = 8;
        const GroundedBox box{.text = clip.encode(text).unprojected,
                              .height = height / kCell,
                              .width = width / kCell,
                              .y = y / kCell,
                              .x = x / kCell};
        return each(set, [&](Conditioning& entry) { entry.gligen = grounded(gligen, entry.gligen, box); });
      },
  });
}

}  // namespace easel
