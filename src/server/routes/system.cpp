// What the server is: /system_stats, /features, and the lists of extensions, translations and templates.
#include "base/error.h"
#include "base/host.h"
#include "server/file_facts.h"
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

// Every script under the web root's extensions/: the page imports those it does not know.
Response extensions(const Services& services) {
  OrderedJson urls = OrderedJson::array();
  for (const std::string& file : files_below(services.frontend / "extensions", true))
    if (file.ends_with(".js")) urls.push_back("/extensions/" + file);
  return json_response(urls);
}

}  // namespace

void add_system_routes(Router& router, Services& services) {
  router.get("/system_stats", [&services](const Request&) { return system_stats(services); });
  router.get("/features", [&services](const Request&) { return json_text(services.hub.features()); });
  router.get("/extensions", [&services](const Request&) { return extensions(services); });
  // Of packages of nodes, of which there are none: the shapes that a page finds empty.
  router.get("/i18n", [](const Request&) { return json_text("{}"); });
  router.get("/workflow_templates", [](const Request&) { return json_text("{}"); });
}

}  // namespace easel::server
