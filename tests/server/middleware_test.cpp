#include "server/middleware.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace easel::server {
namespace {

std::string header(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "";
}

std::string cache_of(const std::string& path, int status = 200) {
  Request request;
  request.path = path;
  Response response = empty_response(status);
  finish_response(request, response, {});
  return header(response, "Cache-Control");
}

TEST(Middleware, CacheRules) {
  EXPECT_EQ(cache_of("/scripts/app.js"), "no-cache");
  EXPECT_EQ(cache_of("/a.css"), "no-cache");
  EXPECT_EQ(cache_of("/templates/index.zh.json"), "no-cache");
  EXPECT_EQ(cache_of("/other.json"), "");
  EXPECT_EQ(cache_of("/a.PNG"), "public, max-age=86400");
  EXPECT_EQ(cache_of("/a.png", 206), "public, max-age=86400");
  EXPECT_EQ(cache_of("/a.png", 404), "public, max-age=3600");
  EXPECT_EQ(cache_of("/view"), "");
}

TEST(Middleware, NothingIsSniffed) {
  Request request;
  Response response;
  finish_response(request, response, {});
  EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header(response, "Access-Control-Allow-Origin"), "");
}

TEST(Middleware, CorsOnDemand) {
  Request request;
  Response response;
  finish_response(request, response, {.cors_origin = "https://a.example"});
  EXPECT_EQ(header(response, "Access-Control-Allow-Origin"), "https://a.example");
}

TEST(Middleware, TextsAreCompressedForThoseWhoAsk) {
  Request request;
  const std::string text(100'000, 'x');
  Response plain = json_text(text);
  finish_response(request, plain, {.compress = true});
  EXPECT_EQ(plain.body.size(), text.size());

  request.headers = {{"Accept-Encoding", "deflate, gzip"}};
  Response packed = json_text(text);
  finish_response(request, packed, {.compress = true});
  EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 1000u);
  std::string unpacked(text.size(), '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(packed.body.data()), stream.avail_in = packed.body.size();
  stream.next_out = reinterpret_cast<Bytef*>(unpacked.data()), stream.avail_out = unpacked.size();
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  inflateEnd(&stream);
  EXPECT_EQ(unpacked, text);
}

}  // namespace
}  // namespace easel::server
