#include "server/middleware.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace easel::server {
namespace {

std::string file_name(std::string_view path) {
  return percent_decode(path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1));
}

std::string extension(std::string_view name) {
  const size_t dot = name.rfind('.');
  std::string found(dot == std::string_view::npos ? "" : name.substr(dot + 1));
  std::ranges::transform(found, found.begin(), [](unsigned char c) { return std::tolower(c); });
  return found;
}

void set_cache(const Request& request, Response& response) {
  if (response.has("Cache-Control")) return;
  const std::string name = file_name(request.path), ending = extension(name);
  static constexpr std::array kPictures{"jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"};
  const int status = response.status;
  if (ending == "js" || ending == "css" || (name.starts_with("index") && ending == "json")) {
    response.set("Cache-Control", "no-cache");
  } else if (std::ranges::find(kPictures, ending) != kPictures.end()) {
    if ((status >= 200 && status <= 206) || status == 301 || status == 308)
      response.set("Cache-Control", "public, max-age=86400");
    else if (status == 404)
      response.set("Cache-Control", "public, max-age=3600");
  }
}

// --offline: the page with all that it needs from us, and a browser that fetches nothing from anybody else.
constexpr const char* kOffline =
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'";

void set_policies(Response& response, const Middleware& settings) {
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "same-origin");  // addresses may hold a token, names and prompts
  if (!response.type.starts_with("text/html") || response.has("Content-Security-Policy")) return;
  if (settings.offline)
    response.set("Content-Security-Policy", kOffline);
  else if (!settings.cors_origin)
    response.set("Content-Security-Policy", "frame-ancestors 'self'");
  else if (*settings.cors_origin != "*")
    response.set("Content-Security-Policy", "frame-ancestors 'self' " + *settings.cors_origin);
}

bool is_text(std::string_view type) {
  return type.starts_with("text/") || type.starts_with("application/json") ||
         type.starts_with("application/javascript");
}

}  // namespace

std::string gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) fail("gzip: deflateInit2 failed");
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int code = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END) fail("gzip: deflate ended with {}", code);
  return packed;
}

void finish_response(const Request& request, Response& response, const Middleware& settings) {
  set_cache(request, response);
  set_policies(response, settings);
  if (settings.cors_origin) {
    response.set("Access-Control-Allow-Origin", *settings.cors_origin);
    response.set("Access-Control-Allow-Methods", "POST, GET, DELETE, PUT, OPTIONS, PATCH");
    response.set("Access-Control-Allow-Headers", "Content-Type, Authorization");
    response.set("Access-Control-Allow-Credentials", "true");
  }
  constexpr size_t kWorthIt = 1024, kMost = size_t{1} << 30;
  const size_t size = response.text().size();
  if (settings.compress && !response.has("Content-Encoding") && response.status == 200 && !response.file &&
      is_text(response.type) && size >= kWorthIt && size < kMost &&
      request.header("Accept-Encoding").find("gzip") != std::string_view::npos) {
    response.body = gzip(response.text());
    response.shared = nullptr;
    response.set("Content-Encoding", "gzip");
    response.set("Vary", "Accept-Encoding");
  }
}

}  // namespace easel::server
