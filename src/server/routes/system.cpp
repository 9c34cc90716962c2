// What the server is: /system_stats, /features, and the lists of extensions, translations and templates.
#include <sys/sysinfo.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "server/file_facts.h"
#include "server/routes/routes.h"
#include "server/version.h"

namespace easel::server {
namespace {

struct Ram {
  uint64_t total = 0, available = 0;
};

Ram ram() {
  Ram found;
  std::ifstream lines("/proc/meminfo");
  for (std::string key, unit, rest; lines >> key;) {
    uint64_t kilobytes = 0;
    lines >> kilobytes;
    std::getline(lines, rest);
    if (key == "MemTotal:") found.total = kilobytes * 1024;
    if (key == "MemAvailable:") found.available = kilobytes * 1024;
  }
  return found;
}

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
  const Ram memory = ram();
  OrderedJson devices = OrderedJson::array();
  for (const wire::Device& device : worker.devices) devices.push_back(device_json(device));
  // Clients take the first device for granted, also in the two seconds before the worker has told its own.
  if (devices.empty())
    devices.push_back(
        device_json({"cpu", "cpu", std::nullopt, memory.total, memory.available, memory.total, memory.available}));
  return json_response(OrderedJson{{"system",
                                    {{"os", "posix"},
                                     {"ram_total", memory.total},
                                     {"ram_free", memory.available},
                                     {"comfyui_version", kComfyVersion},
                                     {"required_frontend_version", kFrontendVersion},
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
