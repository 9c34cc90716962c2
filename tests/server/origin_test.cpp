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

bool local(const Request& request, bool upgrade = false) { return origin_allowed(request, {}, upgrade); }
bool elsewhere(const Request& request, bool upgrade = false, Wall wall = {}) {
  wall.loopback_only = false;
  return origin_allowed(request, wall, upgrade);
}

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
  for (const char* site : {"cross-site", "same-site", "Cross-Site"}) {
    EXPECT_FALSE(elsewhere(request("POST", "studio.example", nullptr, site))) << site;
    EXPECT_TRUE(elsewhere(request("GET", "studio.example", nullptr, site))) << site;
    EXPECT_FALSE(elsewhere(request("GET", "studio.example", nullptr, site), true)) << site;
  }
  for (const char* method : {"POST", "DELETE", "PATCH", "PUT"}) {
    EXPECT_FALSE(elsewhere(request(method, "studio.example", "https://evil.org")))
        << "plain http has no Sec-Fetch-Site";
    EXPECT_TRUE(elsewhere(request(method, "studio.example", "https://studio.example")));
    EXPECT_TRUE(elsewhere(request(method, "10.0.0.7:8188", "http://10.0.0.7:8188")));
    EXPECT_FALSE(elsewhere(request(method, "10.0.0.7:8188", "http://10.0.0.7:9000")));
  }
  EXPECT_FALSE(elsewhere(request("GET", "studio.example", "https://evil.org"), true));
  EXPECT_TRUE(elsewhere(request("GET", "studio.example", "https://evil.org"))) << "its browser keeps the answer";
}

TEST(Origin, AProxyThatChangesTheHostIsBelievedTheBrowser) {
  EXPECT_TRUE(elsewhere(request("POST", "backend:8188", "https://studio.example", "same-origin")));
  EXPECT_TRUE(elsewhere(request("GET", "backend:8188", "https://studio.example", "same-origin"), true));
  EXPECT_FALSE(elsewhere(request("POST", "backend:8188", "https://studio.example")));
}

TEST(Origin, TheOtherSiteOfTheCorsFlagPasses) {
  const Wall one{.cors_origin = "https://studio.example"}, any{.cors_origin = "*"};
  for (const char* host : {"127.0.0.1:8188", "10.0.0.7"}) {
    EXPECT_TRUE(elsewhere(request("POST", host, "https://studio.example", "cross-site"), false, one));
    EXPECT_TRUE(elsewhere(request("GET", host, "https://studio.example", "cross-site"), true, one));
    EXPECT_FALSE(elsewhere(request("POST", host, "https://evil.org", "cross-site"), false, one));
    EXPECT_TRUE(elsewhere(request("POST", host, "https://evil.org", "cross-site"), true, any));
  }
  EXPECT_FALSE(origin_allowed(request("POST", "evil.org", "http://evil.org"), one, false)) << "rebound";
}

TEST(Origin, ARebindingHostIsRefused) {
  EXPECT_FALSE(local(request("GET", "evil.org:8188")));
  EXPECT_TRUE(elsewhere(request("GET", "studio.example:8188"))) << "listening to all, any name will do";
}

TEST(Origin, TheListOfHosts) {
  const Wall wall{.hosts = {"studio.example"}};
  EXPECT_TRUE(origin_allowed(request("GET", "Studio.Example:8188"), wall, false));
  EXPECT_TRUE(origin_allowed(request("GET", "localhost"), wall, false));
  EXPECT_FALSE(origin_allowed(request("GET", "evil.org"), wall, false));
  EXPECT_FALSE(origin_allowed(request("GET", "10.0.0.7"), wall, false));
  EXPECT_TRUE(elsewhere(request("GET", "10.0.0.7:8188"), false, wall));
  EXPECT_TRUE(elsewhere(request("GET", "[fd00::7]:8188"), false, wall));
  EXPECT_FALSE(elsewhere(request("GET", "evil.org"), false, wall)) << "once there is a list, it holds everywhere";
}

}  // namespace
}  // namespace easel::server
