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
#include "server/retention.h"
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
  options.middleware.offline = flags.has("--offline");
  options.wall.cors_origin = options.middleware.cors_origin;
  options.wall.hosts = flags.values("--allowed-hosts");
  options.tls_key_file = flags.value("--tls-keyfile");
  options.tls_certificate = flags.value("--tls-certfile");
  if (flags.has("--auth-token-file")) options.auth = std::make_shared<server::Auth>(flags.value("--auth-token-file"));
  if (flags.has("--max-connections-per-address")) {
    options.limits.per_address = static_cast<size_t>(flags.integer("--max-connections-per-address", 0));
    options.limits.loopback_too = true;
  }
  return options;
}

// Whoever reaches the port may read and delete everything, and use the machine.
void warn_if_open(const server::HttpServer& http, const server::HttpOptions& options) {
  if (http.loopback_only() || options.auth) return;
  for (const char* line : {"================================================================",
                           "This server listens beyond this machine, and asks nobody for a token:",
                           "everybody who reaches the port can use it, and read and delete its files.",
                           "Give it --auth-token-file FILE, or leave --listen away.",
                           "================================================================"})
    log::warn("{}", line);
}

fs::path database(const Flags& flags, const Folders& folders) {
  constexpr std::string_view kScheme = "sqlite:///";
  const std::string url = flags.value("--database-url");
  if (url.empty()) return folders.user() / "easel.db";
  if (!url.starts_with(kScheme)) fail("--database-url: '{}' came, sqlite:///FILE was wanted", url);
  return url.substr(kScheme.size());
}

store::Limits history_limits(const Flags& flags) {
  store::Limits limits;
  limits.history_entries = flags.integer("--history-entries", limits.history_entries);
  if (flags.has("--history-megabytes"))
    limits.history_bytes = static_cast<int64_t>(flags.real("--history-megabytes", 0) * (1 << 20));
  return limits;
}

server::RunnerOptions runner_options(const Flags& flags, const Folders& folders, const std::string& worker) {
  server::RunnerOptions options{
      .command = worker_command(flags, worker),
      .preview_method = flags.preview_method(),
      .preview_size = flags.integer("--preview-size", 512),
      .output = folders.output(),
      .publications = database(flags, folders).string() + ".publications",
      .drain = std::chrono::milliseconds(static_cast<int64_t>(flags.real("--drain-timeout", 5) * 1000))};
  options.command.insert(options.command.end(), {"--publications", fs::absolute(options.publications)});
  return options;
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

void say_where(const std::vector<std::string>& addresses, uint16_t port, bool tls) {
  for (std::string address : addresses) {
    if (address == "0.0.0.0") address = "127.0.0.1";
    if (address.find(':') != std::string::npos) address = address == "::" ? "[::1]" : "[" + address + "]";
    log::info("To see the GUI go to: {}://{}:{}", tls ? "https" : "http", address, port);
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
  Shutdown(server::Runner& runner, server::Waiters& waiters, server::HttpServer& http)
      : runner_(runner), waiters_(waiters), http_(http) {}
  ~Shutdown() {
    if (thread_.joinable()) thread_.join();
    waiters_.stop();  // while there is a loop to answer through
  }
  void begin() {
    if (thread_.joinable()) return runner_.hurry();
    log::info("shutting down");
    thread_ = std::thread([this] {
      runner_.stop();
      waiters_.stop();
      http_.stop();
    });
  }

 private:
  server::Runner& runner_;
  server::Waiters& waiters_;
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
  const auto store = store::open_sqlite(database(flags, folders), history_limits(flags));
  prepare_folders(folders);

  server::HttpOptions options = http_options(flags);
  options.body_folder = folders.temp();
  server::Hub hub(options.max_body);
  hub.on_status([&store] { return store->remaining(); });
  server::LogRing logs(hub);
  const LogTap tap(logs);
  server::Catalog catalog(load_nodes(flags, worker), folders);
  server::Users users(folders.user(), flags.has("--multi-user"));
  server::Waiters waiters;
  server::Tally tally;
  server::RunnerOptions running = runner_options(flags, folders, worker);
  running.on_end = [&](const store::Job& job, const store::Result& result, double seconds) {
    tally.add(result.summary.state, seconds);
    waiters.ended(job.prompt_id);
  };
  server::Runner runner(std::move(running), *store, hub);
  options.healthy = [&runner] { return server::is_healthy(runner.facts()); };
  const auto allowed = flags.values("--whitelist-custom-nodes");
  const server::Packs packs(folders, flags.has("--disable-all-custom-nodes"), {allowed.begin(), allowed.end()});
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
                            .waiters = waiters,
                            .tally = tally,
                            .packs = packs,
                            .frontend = frontend.root,
                            .frontend_version = frontend.version.empty() ? server::kFrontendVersion : frontend.version,
                            .templates = std::move(packages.templates),
                            .docs = std::move(packages.docs),
                            .arguments = std::move(arguments),
                            .auth = options.auth.get(),
                            .tls = !options.tls_key_file.empty(),
                            .max_upload_size = options.max_body};
  const server::Retention retention(server::parse_retention(
      flags.value("--retain"), {{"temp", folders.temp()}, {"output", folders.output()}, {"input", folders.input()}}));
  server::Router router;
  server::add_all_routes(router, services);
  server::HttpServer http(options, router, hub);
  http.listen();
  warn_if_open(http, options);
  runner.start();
  if (flags.has("--quick-test-for-ci")) return quick_test(runner);

  Shutdown shutdown(runner, waiters, http);
  http.on_signal([&shutdown] { shutdown.begin(); });
  say_where(options.addresses, http.port(), services.tls);
  if (const size_t waiting = store->remaining()) log::info("{} prompts wait from before", waiting);
  http.run();
  empty_folder(folders.temp());
  log::info("ended");
  return 0;
}

}  // namespace easel::app
