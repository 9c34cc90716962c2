// What packages of custom nodes bring for the page: /extensions, /i18n, /workflow_templates, /global_subgraphs.
#include "base/error.h"
#include "server/file_facts.h"
#include "server/routes/routes.h"
#include "server/static_file.h"

namespace easel::server {
namespace {

// Every script under the web root's extensions/, then those of packs: the page imports those it does not know.
Response extensions(const Services& services) {
  OrderedJson urls = OrderedJson::array();
  if (!services.frontend.empty())
    for (const std::string& file : files_below(services.frontend / "extensions", true))
      if (file.ends_with(".js")) urls.push_back("/extensions/" + file);
  for (std::string& url : services.packs.scripts()) urls.push_back(std::move(url));
  return json_response(urls);
}

Response file_or_404(const Request& request, const std::optional<std::filesystem::path>& path) {
  if (!path) throw HttpError(404, "404: Not Found");
  return file_response(request, *path);
}

// A pack's file; if no pack has it, the page's own of that path.
Response extension_file(const Request& request, const Services& services) {
  if (const auto path = services.packs.web_file(request.params[0], request.params[1]))
    return file_response(request, *path);
  return static_response(request, services.frontend, "extensions/" + request.params[0] + "/" + request.params[1]);
}

Response blueprint(const Request& request, const Packs& packs) {
  const auto entry = packs.blueprint(request.params[0]);
  return entry ? json_response(*entry) : json_text("null");
}

}  // namespace

void add_pack_routes(Router& router, Services& services) {
  using namespace schema;
  const Packs& packs = services.packs;
  router.get("/extensions", [&services](const Request&) { return extensions(services); },
             {.about = "Scripts that the page loads", .answer = list(text())});
  router.only("GET", "/extensions/{pack}/{file*}",
              [&services](const Request& request) { return extension_file(request, services); });
  router.get("/i18n", [&packs](const Request&) { return json_response(packs.translations()); },
             {.about = "Translations of custom nodes, by language", .answer = map(map(any()))});
  router.get("/workflow_templates", [&packs](const Request&) { return json_response(packs.templates()); },
             {.about = "Example workflows of custom nodes, by package", .answer = map(list(text()))});
  router.get("/workflow_templates/{pack}/{file*}",
             [&packs](const Request& request) {
               return file_or_404(request, packs.template_file(request.params[0], request.params[1]));
             },
             {.about = "A file of an example workflow", .answer_type = "application/octet-stream"});
  router.get("/global_subgraphs", [&packs](const Request&) { return json_response(packs.blueprints()); },
             {.about = "Blueprints of subgraphs, by id", .answer = map(any())});
  router.get("/global_subgraphs/{id}", [&packs](const Request& request) { return blueprint(request, packs); },
             {.about = "One blueprint with its data, or null", .answer = nullable(any())});
  // Old nodes for which a pack names a successor: a pack says so in Python, which is not run.
  router.get("/node_replacements", [](const Request&) { return json_text("{}"); },
             {.about = "Successors of old nodes, by the old node's class", .answer = map(list(any()))});
}

}  // namespace easel::server
