// What every answer gets on its way out: cache rules, what browsers may do with it, CORS, compression.
#pragma once
#include "server/http.h"

namespace easel::server {

struct Middleware {
  std::optional<std::string> cors_origin;  // --enable-cors-header
  bool compress = false;                   // --enable-compress-response-body
  bool offline = false;                    // --offline: pages may speak to us alone
};

// `path` rules as ComfyUI's: .js, .css and index*.json are revalidated, pictures kept for a day (a missing one an
// hour).
void finish_response(const Request& request, Response& response, const Middleware& settings);

// gzip of a text. Throws Error when zlib fails.
std::string gzip(std::string_view text);

}  // namespace easel::server
