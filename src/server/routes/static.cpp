// The frontend's files, and what stands in for packages that are not installed.
#include "folders/resolve.h"
#include "server/routes/routes.h"
#include "server/static_file.h"

namespace easel::server {
namespace {

constexpr const char* kNoFrontend =
    "<!doctype html><title>easel</title><p>The server runs, but the page is not installed: "
    "start it with --front-end-root FOLDER, or fetch it with <code>make deps</code>.</p>";

Response web_file(const Request& request, const std::filesystem::path& root) {
  const std::string relative = percent_decode(std::string_view(request.path).substr(1));
  if (!relative.empty()) return static_response(request, root, relative);
  Response response;
  try {
    response = static_response(request, root, "index.html");
  } catch (const HttpError&) {
    response = text_response(200, kNoFrontend);
    response.type = "text/html; charset=utf-8";
  }
  response.set("Cache-Control", "no-store, must-revalidate");
  response.set("Pragma", "no-cache");
  response.set("Expires", "0");
  return response;
}

// The file of a package that may be installed in several parts.
Response package_file(const Request& request, const std::vector<std::filesystem::path>& roots) {
  for (const auto& root : roots)
    if (const auto found = folders::resolve(root, "", request.params[0], folders::Want::kFile))
      return file_response(request, found.path);
  throw HttpError(404, "404: Not Found");
}

}  // namespace

void add_static_routes(Router& router, Services& services) {
  using namespace schema;
  router.only(
      "GET", "/templates/{file*}",
      [&services](const Request& request) {
        try {
          return package_file(request, services.templates);
        } catch (const HttpError&) {
          // Without a list the page's template dialog waits for ever.
          if (request.params[0] == "index.json") return json_text("[]");
          throw;
        }
      },
      {.about = "A file of the workflow templates that are installed", .answer_type = "application/octet-stream"});
  router.only("GET", "/docs/{file*}",
              [&services](const Request& request) { return package_file(request, services.docs); },
              {.about = "A page of the nodes' documentation that is installed", .answer_type = "text/markdown"});
  router.otherwise([root = services.frontend](const Request& request) { return web_file(request, root); });
}

}  // namespace easel::server
