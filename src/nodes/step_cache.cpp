// Nodes that trade a little of the picture for fewer calls of the network.
#include "sampling/step_cache.h"

#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

void add_cache(Registry& registry, const char* id, const char* about,
               void (*add)(GuidancePatches&, const StepCacheOptions&)) {
  registry.add({
      .id = id,
      .title = id,
      .category = "advanced/debug/model",
      .about = about,
      .inputs = {socket("model", "MODEL", {.tooltip = "The model whose steps may be left out."}),
                 real("reuse_threshold",
                      {.value = 0.2,
                       .min = 0.0,
                       .max = 3.0,
                       .step = 0.01,
                       .tooltip = "How much the prediction may have changed; more leaves out more."}),
                 real("start_percent", {.value = 0.15,
                                        .min = 0.0,
                                        .max = 1.0,
                                        .step = 0.01,
                                        .tooltip = "Steps before this part of the run are all computed."}),
                 real("end_percent", {.value = 0.95,
                                      .min = 0.0,
                                      .max = 1.0,
                                      .step = 0.01,
                                      .tooltip = "Steps after this part of the run are all computed."}),
                 boolean("verbose", {.value = false, .tooltip = "Log how many steps were left out."})},
      .run =
          [add](Model model, double threshold, double start, double end, bool verbose) {
            add(model.guidance,
                {.threshold = threshold, .start_percent = start, .end_percent = end, .verbose = verbose});
            return model;
          },
      .v3 = true,
      .experimental = true,
      .module = "comfy_extras.nodes_easycache",
  });
}

}  // namespace

void add_step_cache_nodes(Registry& registry) {
  add_cache(registry, "EasyCache", "Leaves out calls of the network whose answer would hardly differ (approximate).",
            add_easy_cache);
  add_cache(registry, "LazyCache",
            "Leaves out steps whose guided prediction would hardly differ; works with any model (approximate).",
            add_lazy_cache);
}

}  // namespace easel
