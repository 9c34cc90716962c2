// GET /object_info and /embeddings.
#include "server/routes/routes.h"

namespace easel::server {
namespace {

Response all_nodes(const Request& request, Services& services) {
  Catalog::Text text = services.catalog.all();
  Response response = json_text("");
  response.set("ETag", text.tag);
  response.set("Cache-Control", "no-cache");
  if (request.header("If-None-Match") == text.tag) {
    response.status = 304;
    return response;
  }
  response.shared = std::move(text.json);
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
  router.get("/object_info", [&services](const Request& request) { return all_nodes(request, services); });
  router.get("/object_info/{class*}",
             [&services](const Request& request) { return json_response(services.catalog.one(request.params[0])); });
  router.get("/embeddings", [&services](const Request&) { return embeddings(services); });
}

}  // namespace easel::server
