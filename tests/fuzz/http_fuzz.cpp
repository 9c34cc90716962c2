// The bytes of a request through head, wall and routes, without a socket: an answer, and never a 500.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "server/middleware.h"
#include "server/origin.h"
#include "server/request_head.h"
#include "server/routes/routes.h"
#include "test_worker/test_nodes.h"

namespace fs = std::filesystem;
using namespace easel;
using namespace easel::server;

namespace {

// A server without its loop and its worker.
struct Whole {
  const fs::path base = (fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                        ("easel_http_" + std::to_string(getpid()));
  const Folders folders{FolderOptions{.base = base}};
  std::unique_ptr<store::Store> store;
  Hub hub{100};
  LogRing logs{hub};
  std::optional<Catalog> catalog;
  Users users{base / "user", false};
  Waiters waiters;
  Tally tally;
  std::optional<Packs> packs;
  std::optional<Runner> runner;
  std::optional<Services> services;
  Router router;

  Whole() {
    spdlog::set_level(spdlog::level::off);
    for (const char* folder : {"input", "output", "temp", "user/default", "models/checkpoints", "page"})
      fs::create_directories(base / folder);
    std::ofstream(base / "page/index.html") << "page";
    std::ofstream(base / "input/a.txt") << "text";
    store = store::open_sqlite(base / "user/easel.db");
    Registry registry;
    test::add_test_nodes(registry);
    catalog.emplace(std::move(registry), folders);
    runner.emplace(RunnerOptions{.command = {"/nonexistent"}}, *store, hub);
    packs.emplace(folders, true, std::set<std::string>());
    services.emplace(Services{.folders = folders,
                              .store = *store,
                              .hub = hub,
                              .runner = *runner,
                              .catalog = *catalog,
                              .users = users,
                              .logs = logs,
                              .waiters = waiters,
                              .tally = tally,
                              .packs = *packs,
                              .frontend = base / "page",
                              .max_upload_size = 1 << 20,
                              .max_waiting = 20});
    add_all_routes(router, *services);
  }
  ~Whole() { fs::remove_all(base); }
};

// The body of what remains, as the loop would read it; nothing when it is cut short or wrong.
std::optional<std::string> read_body(HeadParser& parser, std::string_view rest) {
  std::string body, chunk(4096, '\0');
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    boost::system::error_code error;
    const size_t used = parser.put(boost::asio::buffer(rest), error);
    const size_t got = chunk.size() - parser.get().body().size;
    body.append(chunk, 0, got);
    rest.remove_prefix(used);
    if (error == boost::beast::http::error::need_buffer) continue;
    if (error || (used == 0 && got == 0)) return std::nullopt;
  }
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Whole whole;
  static size_t rounds = 0;
  if (++rounds % 2000 == 0) {  // uploads and settings gather
    fs::remove_all(whole.base / "user/default");
    for (const char* folder : {"input", "user/default"}) fs::create_directories(whole.base / folder);
    whole.store->clear_pending();
  }
  const SocketLimits limits;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  HeadParser parser;
  bound(parser, limits);
  boost::system::error_code error;
  const size_t used = parser.put(boost::asio::buffer(text), error);
  if (error || !parser.is_header_done()) return 0;
  Request request = to_request(parser);
  if (refuse_head(parser, 1 << 20, limits) || !origin_allowed(request, {}, false)) return 0;
  const auto body = read_body(parser, text.substr(used));
  if (!body) return 0;
  request.body = *body;
  Response response = whole.router.handle(request);
  if (response.later) return 0;
  finish_response(request, response, {.compress = true});
  if (response.status == 500) std::abort();
  return 0;
}
