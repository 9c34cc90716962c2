// easel serve: builds the parts of the server and introduces them to each other.
#include <spdlog/spdlog.h>

#include <thread>

#include "app/commands.h"
#include "app/packages.h"
#include "app/program.h"
#include "base/error.h"
#include "base/log.h"
#include "folders/output.h"
#include "server/http_server.h"
#include "server/routes/routes.h"
#include "server/version.h"

namespace easel::app {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> addresses(const Flags& flags) {
  if (!flags.has("--listen")) return {"127.0.0.1"};
  std::vector<std::string> list;
  std::string text = flags.value("--listen", "0.0.0.0,::");
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    if (end > start) list.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return list;
}

server::HttpOptions http_options(const Flags& flags) {
  server::HttpOptions options;
  options.addresses = addresses(flags);
  options.port = static_cast<uint16_t>(flags.integer("--port", 8188));
  options.max_body = static_cast<uint64_t>(flags.real("--max-upload-size", 100) * 1024 * 1024);
  if (flags.has("--enable-cors-header")) options.middleware.cors_origin = flags.value("--enable-cors-header", "*");
  options.middleware.compress = flags.has("--enable-compress-response-body");
  return options;
}

fs::path database(const Flags& flags, const Folders& folders) {
  constexpr std::string_view kScheme = "sqlite:///";
  const std::string url = flags.value("--database-url");
  if (url.empty()) return folders.user() / "easel.db";
  if (!url.starts_with(kScheme)) fail("--database-url: '{}' came, sqlite:///FILE was wanted", url);
  return url.substr(kScheme.size());
}

void empty_folder(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) fs::remove_all(entry.path(), ignored);
}

// After the database is locked: no other server works in these folders.
void prepare_folders(const Folders& folders) {
  empty_folder(folders.temp());
  for (const fs::path& root : {folders.input(), folders.output(), folders.temp(), folders.user()}) {
    fs::create_directories(root);
    folders::sweep_unfinished(root);
  }
}

void say_where(const std::vector<std::string>& addresses, uint16_t port) {
  for (std::string address : addresses) {
    if (address == "0.0.0.0") address = "127.0.0.1";
    if (address.find(':') != std::string::npos) address = address == "::" ? "[::1]" : "[" + address + "]";
    log::info("To see the GUI go to: http://{}:{}", address, port);
  }
}

// The ring sees every line as long as this lives. Made and ended while no other thread logs.
struct LogTap {
  explicit LogTap(server::LogRing& ring) { spdlog::default_logger()->sinks().push_back(ring.sink()); }
  ~LogTap() { spdlog::default_logger()->sinks().pop_back(); }
};

// SIGTERM or SIGINT: the running prompt goes back into the queue, then the server ends. The second one does not wait.
class Shutdown {
 public:
  Shutdown(server::Runner& runner, server::HttpServer& http) : runner_(runner), http_(http) {}
  ~Shutdown() {
    if (thread_.joinable()) thread_.join();
  }
  void begin() {
    if (thread_.joinable()) return runner_.hurry();
    log::info("shutting down");
    thread_ = std::thread([this] {
      runner_.stop();
      http_.stop();
    });
  }

 private:
  server::Runner& runner_;
  server::HttpServer& http_;
  std::thread thread_;
};

// Starts, waits for the worker, ends: whether all is there.
int quick_test(server::Runner& runner) {
  const bool ready = runner.wait_ready(std::chrono::seconds(120));
  if (!ready) log::error("--quick-test-for-ci: the worker did not become ready");
  runner.stop();
  return ready ? 0 : 1;
}

}  // namespace

int serve(const Flags& flags, const std::string& worker, std::vector<std::string> arguments) {
  const Folders folders(flags.folders());
  const auto store = store::open_sqlite(database(flags, folders));
  prepare_folders(folders);

  server::HttpOptions options = http_options(flags);
  server::Hub hub(options.max_body);
  hub.on_status([&store] { return store->remaining(); });
  server::LogRing logs(hub);
  const LogTap tap(logs);
  server::Catalog catalog(load_nodes(worker), folders);
  server::Users users(folders.user(), flags.has("--multi-user"));
  server::Runner runner({worker_command(flags, worker), flags.preview_method(), flags.integer("--preview-size", 512)},
                        *store, hub);
  Packages packages = find_packages(folders.base());
  const Frontend frontend = choose_frontend(flags, packages.frontends);
  if (!frontend.version.empty()) log::info("page: comfyui-frontend-package {}", frontend.version);
  server::Services services{.folders = folders,
                            .store = *store,
                            .hub = hub,
                            .runner = runner,
                            .catalog = catalog,
                            .users = users,
                            .logs = logs,
                            .frontend = frontend.root,
                            .frontend_version = frontend.version.empty() ? server::kFrontendVersion : frontend.version,
                            .templates = std::move(packages.templates),
                            .docs = std::move(packages.docs),
                            .arguments = std::move(arguments),
                            .max_upload_size = options.max_body};
  server::Router router;
  server::add_all_routes(router, services);
  const auto names = options.addresses;
  server::HttpServer http(std::move(options), router, hub);
  http.listen();
  runner.start();
  if (flags.has("--quick-test-for-ci")) return quick_test(runner);

  Shutdown shutdown(runner, http);
  http.on_signal([&shutdown] { shutdown.begin(); });
  say_where(names, http.port());
  if (const size_t waiting = store->remaining()) log::info("{} prompts wait from before", waiting);
  http.run();
  empty_folder(folders.temp());
  log::info("ended");
  return 0;
}

}  // namespace easel::app
