// Probes and figures for those who run the server: /readyz, /startupz, /metrics (Prometheus text). /healthz is answered
// by the event loop itself, from is_healthy.
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "server/routes/routes.h"
#include "server/version.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

constexpr double kSilence = 120;    // a worker that answers no ping for that long is stuck
constexpr int64_t kEarlyEnds = 20;  // starts in a row that failed: no worker will come
constexpr uint64_t kLeastFree = uint64_t{2} << 30;

struct Check {
  const char* name;
  bool good;
  std::string detail;
};

Response answer(const std::vector<Check>& checks) {
  OrderedJson list = OrderedJson::object();
  bool good = true;
  for (const Check& check : checks) {
    good = good && check.good;
    list[check.name] = {{"ok", check.good}, {"detail", check.detail}};
  }
  Response response = json_response(OrderedJson{{"status", good ? "ok" : "unavailable"}, {"checks", std::move(list)}},
                                    good ? 200 : 503);
  response.set("Cache-Control", "no-store");
  if (!good) response.set("Retry-After", "5");
  return response;
}

Check room_in(const char* name, const fs::path& folder) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error) return {name, false, error.message()};
  if (access(folder.c_str(), W_OK) != 0) return {name, false, "the folder cannot be written"};
  return {name, space.available >= kLeastFree, fmt::format("{} MB free", space.available >> 20)};
}

Response readyz(Services& services) {
  const WorkerFacts worker = services.runner.facts();
  const size_t waiting = services.store.remaining();
  return answer({{"running", !worker.stopping, worker.stopping ? "the server ends" : "taking prompts"},
                 {"worker", worker.ready, worker.ready ? "ready" : "starting"},
                 {"queue", waiting < services.max_waiting, fmt::format("{} of {}", waiting, services.max_waiting)},
                 room_in("output", services.folders.output()),
                 room_in("user", services.folders.user())});
}

// ---- /metrics ----------------------------------------------------------------------------------------------------

class Page {
 public:
  void family(const char* name, const char* type, const char* help) {
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  void value(const std::string& name, double number, const std::string& labels = "") {
    text_ += labels.empty() ? fmt::format("{} {}\n", name, number) : fmt::format("{}{{{}}} {}\n", name, labels, number);
  }
  void one(const char* name, const char* type, const char* help, double number) {
    family(name, type, help);
    value(name, number);
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

uint64_t own_resident() {
  std::ifstream figures("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  figures >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void add_prompts(Page& page, Services& services) {
  const auto count = [&](const char* state) {
    store::JobFilter filter;
    filter.states = {state}, filter.limit = 0;
    return services.store.jobs(filter).total;
  };
  const auto waiting = count("pending");
  const auto running = count("in_progress");
  page.one("comfy_prompts_pending", "gauge", "Prompts that wait.", static_cast<double>(waiting));
  page.one("comfy_prompts_running", "gauge", "Prompts that run.", static_cast<double>(running));
  const Tally::Figures ended = services.tally.figures();
  page.family("comfy_prompts_total", "counter", "Prompts that have ended since the server began.");
  for (const auto& [state, count] : ended.ended)
    page.value("comfy_prompts_total", static_cast<double>(count), fmt::format("status=\"{}\"", state));
  page.family("comfy_prompt_execution_seconds", "histogram", "From being taken from the queue to the end.");
  uint64_t within = 0;
  for (size_t i = 0; i < ended.within.size(); ++i) {
    within += ended.within[i];
    const std::string bound = i < Tally::kBounds.size() ? fmt::format("{}", Tally::kBounds[i]) : "+Inf";
    page.value("comfy_prompt_execution_seconds_bucket", static_cast<double>(within), fmt::format("le=\"{}\"", bound));
  }
  page.value("comfy_prompt_execution_seconds_sum", ended.seconds);
  page.value("comfy_prompt_execution_seconds_count", static_cast<double>(within));
}

void add_worker(Page& page, Services& services) {
  const WorkerFacts worker = services.runner.facts();
  page.one("comfy_executor_up", "gauge", "Whether the worker is ready.", worker.ready);
  page.one("comfy_executor_restarts_total", "counter", "Starts of the worker after the first.",
           static_cast<double>(std::max<int64_t>(worker.starts - 1, 0)));
  page.one("comfy_executor_heartbeat_age_seconds", "gauge", "Since the worker was last heard.", worker.silent_seconds);
  page.family("comfy_resident_bytes", "gauge", "Memory of the processes.");
  page.value("comfy_resident_bytes", static_cast<double>(own_resident()), "process=\"server\"");
  if (worker.resident) page.value("comfy_resident_bytes", static_cast<double>(worker.resident), "process=\"worker\"");
  page.family("comfy_device_memory_bytes", "gauge", "Memory of the devices.");
  for (size_t i = 0; i < worker.devices.size(); ++i) {
    const auto label = [&](const char* kind) {
      return fmt::format("device=\"{}{}\",kind=\"{}\"", worker.devices[i].type, i, kind);
    };
    page.value("comfy_device_memory_bytes", static_cast<double>(worker.devices[i].vram_total), label("total"));
    page.value("comfy_device_memory_bytes", static_cast<double>(worker.devices[i].vram_free), label("free"));
  }
}

void add_http(Page& page, const Router& router) {
  const auto counts = router.counts();
  const auto label = [](const Router::Count& count) {
    return count.pattern.empty() ? std::string("route=\"other\",method=\"\"")
                                 : fmt::format("route=\"{}\",method=\"{}\"", count.pattern, count.method);
  };
  page.family("comfy_http_requests_total", "counter", "Requests that reached a route.");
  for (const auto& count : counts)
    for (const auto& [status, times] : count.answers)
      page.value("comfy_http_requests_total", static_cast<double>(times),
                 fmt::format("{},code=\"{}\"", label(count), status));
  page.family("comfy_http_request_seconds", "summary", "Time in the route's own code.");
  for (const auto& count : counts) {
    uint64_t times = 0;
    for (const auto& [status, some] : count.answers) times += some;
    page.value("comfy_http_request_seconds_sum", count.seconds, label(count));
    page.value("comfy_http_request_seconds_count", static_cast<double>(times), label(count));
  }
}

Response metrics(Services& services, const Router& router) {
  Page page;
  page.family("comfy_build_info", "gauge", "Always 1.");
  page.value("comfy_build_info", 1, fmt::format("version=\"{}\",comfyui=\"{}\"", kVersion, kComfyVersion));
  add_prompts(page, services);
  add_worker(page, services);
  page.one("comfy_ws_connections", "gauge", "Open WebSockets.", static_cast<double>(services.hub.count()));
  page.family("comfy_disk_free_bytes", "gauge", "Room left.");
  for (const auto& [name, folder] :
       {std::pair{"output", services.folders.output()}, std::pair{"user", services.folders.user()}}) {
    std::error_code error;
    const fs::space_info space = fs::space(folder, error);
    if (!error)
      page.value("comfy_disk_free_bytes", static_cast<double>(space.available), fmt::format("volume=\"{}\"", name));
  }
  add_http(page, router);
  Response response = text_response(200, std::move(page).text());
  response.type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

}  // namespace

bool is_healthy(const WorkerFacts& worker) {
  if (worker.stopping) return true;  // it ends by itself
  return worker.ready ? worker.silent_seconds < kSilence : worker.early_ends < kEarlyEnds;
}

void add_health_routes(Router& router, Services& services) {
  using namespace schema;
  const Schema checks = object({{"status*", one_of({"ok", "unavailable"})},
                                {"checks*", map(object({{"ok*", boolean()}, {"detail*", text()}}))}});
  for (const char* pattern : {"/readyz", "/ready"})
    router.only(
        "GET", pattern, [&services](const Request&) { return readyz(services); },
        {.about = "Whether prompts should be sent here", .answer = checks, .also = {{503, "Some check fails"}}});
  // Queue and history are open and the folders known before the port is: who can ask, may.
  router.only("GET", "/startupz",
              [](const Request&) {
                return answer({{"state", true, "loaded"}});
              },
              {.about = "Whether the server has started", .answer = checks});
  router.only("GET", "/metrics", [&services, &router](const Request&) { return metrics(services, router); },
              {.about = "Figures in Prometheus' text form", .answer_type = "text/plain"});
}

}  // namespace easel::server
