// /openapi.json and the page that shows it.
#include "server/openapi.h"
#include "server/routes/routes.h"

namespace easel::server {

void add_api_docs_routes(Router& router) {
  router.get("/openapi.json", [&router](const Request&) { return json_response(openapi(router)); },
             {.about = "This description", .answer = schema::any()});
  router.get("/openapi",
             [](const Request&) {
               Response response = text_response(200, std::string(openapi_page()));
               response.type = "text/html; charset=utf-8";
               return response;
             },
             {.about = "A page that shows it", .answer_type = "text/html"});
}

}  // namespace easel::server
