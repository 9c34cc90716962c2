// What only the page asks for: /internal, without /api.
#include <algorithm>

#include "folders/resolve.h"
#include "server/file_facts.h"
#include "server/routes/routes.h"

namespace easel::server {
namespace {

// The log tells of everybody's prompts.
void want_admin(const Request& request) {
  if (!request.caller.sees_all) throw HttpError(403, "403: an admin's token is needed");
}

Response logs(const LogRing& ring) {
  std::string text;
  for (const LogRing::Line& line : ring.lines()) text += line.time + " - " + line.text;
  return json_text(quote_json(text));
}

Response raw_logs(const LogRing& ring) {
  std::string entries;
  for (const LogRing::Line& line : ring.lines()) (entries += entries.empty() ? "" : ", ") += to_json(line);
  return json_text("{\"entries\": [" + entries + R"(], "size": {"cols": 120, "rows": 40}})");
}

Response subscribe(const Request& request, LogRing& ring) {
  want_admin(request);
  const Json body = request.json();
  const Json client = body.is_object() ? body.value("clientId", Json()) : Json();
  if (!client.is_string() || client.get_ref<const std::string&>().size() > 256)
    throw HttpError(400, "clientId: a string was wanted");
  ring.follow({client.get<std::string>(), request.caller.user}, body.value("enabled", Json()) == true);
  return empty_response();
}

Response folder_paths(const Folders& folders) {
  OrderedJson paths = OrderedJson::object();
  for (const std::string& name : folders.folder_names()) {
    OrderedJson roots = OrderedJson::array();
    for (const auto& root : folders.model_roots(name)) roots.push_back(root.string());
    paths[name] = std::move(roots);
  }
  return json_response(paths);
}

Response newest_files(const Request& request, const Folders& folders) {
  const auto* root = folders.directory(request.params[0]);
  if (!root) return json_response(Json{{"error", "Invalid directory type"}}, 400);
  std::vector<std::pair<double, std::string>> files;
  for (const std::string& name : folders::list_files(*root))
    if (const auto facts = file_facts(*root / name)) files.emplace_back(-facts->modified, name);
  std::ranges::sort(files);
  OrderedJson names = OrderedJson::array();
  for (const auto& [time, name] : files) names.push_back(name);
  return json_response(names);
}

}  // namespace

void add_internal_routes(Router& router, Services& services) {
  using namespace schema;
  LogRing& ring = services.logs;
  const Folders& folders = services.folders;
  router.only("GET", "/internal/logs", [&ring](const Request& request) { return want_admin(request), logs(ring); },
              {.about = "The last lines of the log, as one text", .answer = text()});
  router.only("GET", "/internal/logs/raw",
              [&ring](const Request& request) { return want_admin(request), raw_logs(ring); },
              {.about = "The last lines of the log",
               .answer = object({{"entries*", list(object({{"t*", text()}, {"m*", text()}}))}, {"size*", any()}})});
  router.only("PATCH", "/internal/logs/subscribe", [&ring](const Request& request) { return subscribe(request, ring); },
              {.about = "Follow the log on the WebSocket of this client",
               .body = object({{"clientId*", text()}, {"enabled*", boolean()}})});
  router.only("GET", "/internal/folder_paths", [&folders](const Request&) { return folder_paths(folders); },
              {.about = "Where each kind of model lies", .answer = map(list(text()))});
  router.only("GET", "/internal/files/{type}",
              [&folders](const Request& request) { return newest_files(request, folders); },
              {.about = "Files of input, output or temp, the newest first",
               .answer = list(text()),
               .also = {{400, "No such folder"}}});
}

}  // namespace easel::server
