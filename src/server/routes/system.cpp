// What the server is: /system_stats and /features.
#include "base/error.h"
#include "base/host.h"
#include "server/routes/routes.h"
#include "server/version.h"

namespace easel::server {
namespace {

OrderedJson device_json(const wire::Device& device) {
  return {{"name", device.name},
          {"type", device.type},
          {"index", device.index ? OrderedJson(*device.index) : OrderedJson(nullptr)},
          {"vram_total", device.vram_total},
          {"vram_free", device.vram_free},
          {"torch_vram_total", device.torch_vram_total},
          {"torch_vram_free", device.torch_vram_free}};
}

Response system_stats(Services& services) {
  const WorkerFacts worker = services.runner.facts();
  const HostMemory host = host_memory();
  const auto total = static_cast<uint64_t>(host.total), available = static_cast<uint64_t>(host.available);
  OrderedJson devices = OrderedJson::array();
  for (const wire::Device& device : worker.devices) devices.push_back(device_json(device));
  // Clients take the first device for granted, also in the two seconds before the worker has told its own.
  if (devices.empty()) devices.push_back(device_json({"cpu", "cpu", std::nullopt, total, available, total, available}));
  return json_response(OrderedJson{{"system",
                                    {{"os", "posix"},
                                     {"ram_total", total},
                                     {"ram_free", available},
                                     {"comfyui_version", kComfyVersion},
                                     {"required_frontend_version", services.frontend_version},
                                     {"installed_templates_version", kTemplatesVersion},
                                     {"required_templates_version", kTemplatesVersion},
                                     {"python_version", fmt::format("none (easel {})", kVersion)},
                                     {"pytorch_version", worker.pytorch_version},
                                     {"embedded_python", false},
                                     {"argv", services.arguments}}},
                                   {"devices", std::move(devices)}});
}

}  // namespace

void add_system_routes(Router& router, Services& services) {
  using namespace schema;
  router.get(
      "/system_stats", [&services](const Request&) { return system_stats(services); },
      {.about = "Versions, memory and devices", .answer = object({{"system*", any()}, {"devices*", list(any())}})});
  router.get("/features", [&services](const Request&) { return json_text(services.hub.features()); },
             {.about = "What the server can do, as on the WebSocket", .answer = map(any())});
}

}  // namespace easel::server
