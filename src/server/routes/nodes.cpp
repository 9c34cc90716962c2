// GET /object_info and /embeddings.
#include "server/routes/routes.h"

namespace easel::server {
namespace {

// Packed already for everybody who takes gzip: a megabyte and a half that every page fetches at its start.
Response all_nodes(const Request& request, Services& services) {
  Catalog::Text text = services.catalog.all();
  const bool packed = request.header("Accept-Encoding").find("gzip") != std::string_view::npos;
  const std::string_view known = request.header("If-None-Match");
  Response response = json_text("");
  response.set("ETag", packed ? text.gzip_tag : text.tag);
  response.set("Vary", "Accept-Encoding");
  response.set("Cache-Control", "no-cache");
  if (known.find(text.tag) != std::string_view::npos || known.find(text.gzip_tag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  if (packed) response.set("Content-Encoding", "gzip");
  response.shared = packed ? std::move(text.gzip) : std::move(text.json);
  return response;
}

// Names without their extension, folders kept.
Response embeddings(Services& services) {
  OrderedJson names = OrderedJson::array();
  for (const std::string& name : services.folders.list("embeddings")) {
    const std::filesystem::path path(name);
    names.push_back((path.parent_path() / path.stem()).string());
  }
  return json_response(names);
}

}  // namespace

void add_node_routes(Router& router, Services& services) {
  using namespace schema;
  router.get(
      "/object_info", [&services](const Request& request) { return all_nodes(request, services); },
      {.about = "Every node, by class", .answer = map(ref("NodeInfo")), .also = {{304, "It is as you have it"}}});
  router.get("/object_info/{class*}",
             [&services](const Request& request) { return json_response(services.catalog.one(request.params[0])); },
             {.about = "One node, or {}", .answer = map(ref("NodeInfo"))});
  router.get("/embeddings", [&services](const Request&) { return embeddings(services); },
             {.about = "Names of textual inversions", .answer = list(text())});
}

}  // namespace easel::server
