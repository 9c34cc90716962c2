// The description of the API, made from the route table: OpenAPI 3.1, and a page that shows it.
#pragma once
#include <string>

#include "server/router.h"

namespace easel::server {

// Every route that says something about itself.
OrderedJson openapi(const Router& router);

// HTML that reads openapi.json beside it and asks nobody else.
std::string_view openapi_page();

}  // namespace easel::server
