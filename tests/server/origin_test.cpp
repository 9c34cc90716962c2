#include "server/origin.h"

#include <gtest/gtest.h>

namespace easel::server {
namespace {

Request request(const char* method, const char* host, const char* origin = nullptr, const char* site = nullptr) {
  Request made;
  made.method = method;
  if (host) made.headers.emplace_back("Host", host);
  if (origin) made.headers.emplace_back("Origin", origin);
  if (site) made.headers.emplace_back("Sec-Fetch-Site", site);
  return made;
}

bool local(const Request& request, bool upgrade = false) { return origin_allowed(request, true, upgrade); }

TEST(Origin, Loopback) {
  for (const char* host :
       {"localhost", "LOCALHOST:8188", "127.0.0.1:1", "127.9.9.9", "[::1]:8188", "::1", "a.localhost"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"", "example.org", "127.evil.org", "localhost.evil.org", "10.0.0.1", "[::2]:80"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

TEST(Origin, ProgramsPass) {
  EXPECT_TRUE(local(request("POST", "127.0.0.1:8188")));
  EXPECT_TRUE(local(request("POST", nullptr)));
}

TEST(Origin, ThePageItselfPasses) {
  EXPECT_TRUE(local(request("POST", "127.0.0.1:8188", "http://127.0.0.1:8188", "same-origin")));
  EXPECT_TRUE(local(request("GET", "[::1]:8188", "http://[::1]:8188")));
  EXPECT_TRUE(local(request("POST", "localhost", "http://localhost")));
}

TEST(Origin, OtherSitesDoNot) {
  for (const char* origin :
       {"http://evil.org", "http://127.0.0.1:3000", "http://localhost:8188", "null", "https://127.0.0.1"})
    EXPECT_FALSE(local(request("POST", "127.0.0.1:8188", origin))) << origin;
  EXPECT_FALSE(local(request("GET", "127.0.0.1:8188", "http://evil.org")));
}

TEST(Origin, CrossSiteWritesAndSocketsAreRefusedAlsoElsewhere) {
  EXPECT_FALSE(origin_allowed(request("POST", "studio.example", nullptr, "cross-site"), false, false));
  EXPECT_TRUE(origin_allowed(request("GET", "studio.example", nullptr, "cross-site"), false, false));
  EXPECT_FALSE(origin_allowed(request("GET", "studio.example", nullptr, "cross-site"), false, true));
}

TEST(Origin, ARebindingHostIsRefused) {
  EXPECT_FALSE(local(request("GET", "evil.org:8188")));
  EXPECT_TRUE(origin_allowed(request("GET", "studio.example:8188"), false, false))
      << "listening to all, any name will do";
}

}  // namespace
}  // namespace easel::server
